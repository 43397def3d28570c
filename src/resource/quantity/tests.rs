//! Amounts read, printed and compared as apimachinery does it.

use super::*;

fn canonical(text: &str) -> String {
    text.parse::<Quantity>().map_or_else(|e| e.to_string(), |q| q.to_string())
}

/// Each pair was printed by apimachinery v0.36.3.
const AS_THE_SERVER: &[(&str, &str)] = &[
    ("0", "0"),
    ("00", "0"),
    ("0m", "0"),
    ("0Gi", "0"),
    ("0.0", "0"),
    ("1", "1"),
    ("1000m", "1"),
    ("1500m", "1500m"),
    ("0.5", "500m"),
    ("1.5", "1500m"),
    ("1.234", "1.234"),
    ("1.500", "1.500"),
    ("1.5000", "1500m"),
    ("+5", "+5"),
    ("007", "007"),
    ("005Mi", "005Mi"),
    ("-250m", "-250m"),
    ("100", "100"),
    ("1000", "1k"),
    ("10000", "10k"),
    ("12345", "12345"),
    ("1k", "1k"),
    ("1000k", "1M"),
    ("2M", "2M"),
    ("0.1", "100m"),
    ("0.0001", "100u"),
    ("0.00000001", "10n"),
    ("0.0000000001", "1n"),
    ("1.0000000001", "1000000001n"),
    ("1n", "1n"),
    ("1000n", "1u"),
    ("1500u", "1500u"),
    ("2000000u", "2"),
    ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"),
    ("0.5Gi", "512Mi"),
    ("0.5Mi", "512Ki"),
    ("1Ki", "1Ki"),
    ("1023Ki", "1023Ki"),
    ("1024Ki", "1Mi"),
    ("1025Ki", "1025Ki"),
    ("2048Mi", "2Gi"),
    ("1536Mi", "1536Mi"),
    ("100Ti", "100Ti"),
    ("1024Ti", "1Pi"),
    ("8Ei", "9223372036854775807"),
    ("1Ei", "1Ei"),
    ("0.1Ki", "102400m"),
    ("0.0001Ki", "102400u"),
    ("1e3", "1e3"),
    ("1E3", "1E3"),
    ("1000e3", "1e6"),
    ("12e6", "12e6"),
    ("5e-1", "500e-3"),
    ("1e-3", "1e-3"),
    ("1e0", "1e0"),
    ("123e1", "1230"),
    ("1E", "1E"),
    ("1.5E", "1500P"),
    ("0.5k", "500"),
    ("9223372036854775807", "9223372036854775807"),
    ("9223372036854775808", "9223372036854775808"),
    ("1.1Gi", "1181116006400m"),
    ("500Mi", "500Mi"),
    ("512Mi", "512Mi"),
    ("16000m", "16"),
    ("4000m", "4"),
    ("200m", "200m"),
    ("256Mi", "256Mi"),
    ("32Gi", "32Gi"),
    ("1.", "1."),
    ("0.25", "250m"),
    ("3.0", "3"),
    (".5", "500m"),
    ("1e-12", "1e-9"),
    ("100000000000000000000", "100E"),
    ("0.000000000000000000000000000000000000000000000000001", "1n"),
    ("1.0000000000000000000000000000000000000000000000000000001", "1000000001n"),
];

#[test]
fn prints_what_the_api_server_stores() {
    for (given, stored) in AS_THE_SERVER {
        assert_eq!(canonical(given), *stored, "{given}");
    }
}

#[test]
fn refuses_what_is_no_quantity() {
    for bad in ["", "m", ".", "1.2.3", "1 Gi", "1gi", "1KiB", "Gi", "--1", "1e", "1e1.5", "1x", "½", "0x10", "1e99999999999", "1e40"] {
        assert!(bad.parse::<Quantity>().is_err(), "{bad}");
    }
}

#[test]
fn compares_by_amount() {
    let q = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(q("1000m"), q("1"));
    assert_eq!(q("1Gi"), q("1073741824"));
    assert!(q("1G") < q("1Gi"));
    assert!(q("-1") < Quantity::ZERO);
}

#[test]
fn sums_products_and_parts_are_exact_and_round_up() {
    let q = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(q("1.5Gi").plus(&q("512Mi")).to_string(), "2Gi");
    assert_eq!(Quantity::ZERO.plus(&q("512Mi")).to_string(), "512Mi");
    assert_eq!(q("250m").times(4).to_string(), "1");
    let third = Fraction::new(1, 3).unwrap();
    assert_eq!(q("1").part(third, &Quantity::milli(1)).to_string(), "334m");
    let share = Fraction::of_decimal(0.3).unwrap();
    assert_eq!(q("200m").part(share, &Quantity::milli(1)).to_string(), "60m");
    assert_eq!(q("256Mi").part(share, &Quantity::bytes(1 << 20)).to_string(), "77Mi");
    assert_eq!(q("1u").in_resource_list().to_string(), "1m");
    assert_eq!((q("1500m").ceil(), q("1500m").ceil_milli(), q("-2").ceil()), (2, 1500, 0));
}

#[test]
fn shares_are_what_was_written() {
    assert_eq!(Fraction::of_decimal(0.25), Fraction::new(25, 100));
    assert_eq!(Fraction::of_decimal(2.0), Fraction::new(2, 1));
    assert_eq!(Fraction::of_decimal(1.1).map(|f| f.of_count(10)), Some(11));
    assert_eq!(Fraction::of_decimal(-1.0), None);
    assert_eq!(Fraction::of_decimal(f64::NAN), None);
}

#[test]
fn numbers_of_yaml_are_quantities_too() {
    assert_eq!(Quantity::from_json(&serde_json::json!(0.5)).unwrap().to_string(), "500m");
    assert_eq!(Quantity::from_json(&serde_json::json!(2)).unwrap().to_string(), "2");
    assert!(Quantity::from_json(&serde_json::json!(true)).is_err());
}

proptest::proptest! {
    #[test]
    fn what_is_printed_reads_back_and_stays(nanos in -1_000_000_000_000_000_000_000i128..1_000_000_000_000_000_000_000, binary in proptest::bool::ANY) {
        let format = if binary { Format::BinarySi } else { Format::DecimalSi };
        let printed = Quantity::new(nanos, format).to_string();
        let read: Quantity = printed.parse().unwrap();
        proptest::prop_assert_eq!(read.nanos, nanos);
        proptest::prop_assert_eq!(read.to_string(), printed);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+]?[0-9.]{0,60}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,12}") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            let _ = quantity.to_string();
        }
    }
}
