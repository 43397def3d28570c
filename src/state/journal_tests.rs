//! The journal under every kind of damage: an exact prefix, or an error.

use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Place {
    dir: tempfile::TempDir,
    key: StateKey,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let key = StateKey::load_or_create(&dir.path().join("config"), None).unwrap();
    Place { dir, key }
}

impl Place {
    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join(FILE)
    }

    fn create(&self) -> Journal {
        Journal::create(&self.state(), &self.key, &json!({"run": 1})).unwrap()
    }

    fn unfinished(&self) -> Result<Option<Unfinished>, Diagnostic> {
        Journal::unfinished(&self.state(), &self.key)
    }

    fn found(&self) -> Unfinished {
        self.unfinished().unwrap().unwrap()
    }
}

#[test]
fn an_unfinished_run_is_found_and_a_finished_one_is_not() {
    let place = place();
    assert!(place.unfinished().unwrap().is_none());
    let mut journal = place.create();
    assert_eq!(place.found().header, json!({"run": 1}));
    journal.append(&json!({"write": "a"})).unwrap();
    journal.append(&json!({"write": "b"})).unwrap();
    journal.sync().unwrap();
    let found = place.found();
    assert_eq!(found.records, [json!({"write": "a"}), json!({"write": "b"})]);
    assert!(!found.torn_tail);
    journal.finish().unwrap();
    assert!(place.unfinished().unwrap().is_none());
    place.create().finish().unwrap();
}

#[test]
fn a_second_journal_is_refused_while_one_is_unfinished() {
    let place = place();
    drop(place.create());
    let error = Journal::create(&place.state(), &place.key, &json!({})).unwrap_err();
    assert_eq!(error.code, "state::journal_unfinished");
    assert_eq!(place.found().header, json!({"run": 1}));
}

#[test]
fn an_appended_record_survives_a_killed_process_without_a_sync() {
    let place = place();
    let mut journal = place.create();
    journal.append(&json!("answer")).unwrap();
    std::mem::forget(journal);
    assert_eq!(place.found().records, [json!("answer")]);
}

#[test]
fn it_goes_on_after_a_crash_and_after_another() {
    let place = place();
    let mut journal = place.create();
    journal.append(&json!(0)).unwrap();
    drop(journal);
    for round in 1..4 {
        // A torn append.
        let mut file = OpenOptions::new().append(true).open(place.file()).unwrap();
        file.write_all(&[9; 7]).unwrap();
        let found = place.found();
        assert!(found.torn_tail);
        let mut journal = found.continue_().unwrap();
        journal.append(&json!(round)).unwrap();
        journal.sync().unwrap();
    }
    let found = place.found();
    assert_eq!(found.records, [json!(0), json!(1), json!(2), json!(3)]);
    assert!(!found.torn_tail);
}

#[test]
fn nothing_of_a_record_is_on_the_disk_in_clear() {
    let place = place();
    let mut journal = Journal::create(&place.state(), &place.key, &json!({"canary": "c4n4ry-header"})).unwrap();
    journal.append(&json!({"canary": "c4n4ry-record"})).unwrap();
    journal.sync().unwrap();
    let bytes = fs::read(place.file()).unwrap();
    assert!(!bytes.windows(6).any(|w| w == b"c4n4ry"));
    assert!(!bytes.windows(6).any(|w| w == b"canary"));
}

#[test]
fn with_another_key_or_none_the_way_out_is_named() {
    let place = place();
    drop(place.create());
    let other = StateKey::load_or_create(&place.dir.path().join("other"), None).unwrap();
    assert_eq!(Journal::unfinished(&place.state(), &other).unwrap_err().code, "state::key_missing");
    other.encrypt(b"").unwrap();
    let error = Journal::unfinished(&place.state(), &other).unwrap_err();
    assert_eq!(error.code, "state::key_other");
    assert!(error.message.contains(&place.key.recipient().unwrap()), "{error}");
    assert!(error.help.unwrap().contains("spai state recover"));
}

#[test]
fn cut_or_flipped_anywhere_it_gives_an_exact_prefix_or_an_error() {
    let place = place();
    let records = [json!({"n": 1}), json!("two"), json!([3, 3, 3])];
    let mut journal = place.create();
    for record in &records {
        journal.append(record).unwrap();
    }
    journal.sync().unwrap();
    drop(journal);
    let whole = fs::read(place.file()).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(place.file(), bytes).unwrap();
        place.unfinished()
    };
    for length in 0..whole.len() {
        match read(&whole[..length]) {
            Ok(found) => {
                let found = found.unwrap();
                assert_eq!(found.header, json!({"run": 1}));
                assert_eq!(found.records, records[..found.records.len()]);
            }
            Err(error) => assert_eq!(error.code, "state::journal_corrupt"),
        }
    }
    for byte in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << (byte % 8);
        let error = read(&flipped).unwrap_err();
        assert!(matches!(error.code.as_str(), "state::journal_corrupt" | "state::journal_newer"), "byte {byte}: {error}");
        assert!(error.help.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is done to the bytes, no record is ever read that wasn't written.
    #[test]
    fn no_damage_makes_a_wrong_record(
        sizes in prop::collection::vec(0_usize..900, 0..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let place = place();
        let records: Vec<Value> = sizes.iter().enumerate().map(|(n, size)| json!([n, "x".repeat(*size)])).collect();
        let mut journal = place.create();
        for record in &records {
            journal.append(record).unwrap();
        }
        drop(journal);
        let mut bytes = fs::read(place.file()).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() * 2).max(1));
        bytes.extend(garbage);
        fs::write(place.file(), &bytes).unwrap();
        if let Ok(Some(found)) = place.unfinished() {
            prop_assert_eq!(found.header, json!({"run": 1}));
            prop_assert!(found.records.len() <= records.len());
            prop_assert_eq!(&found.records[..], &records[..found.records.len()]);
        }
    }
}
