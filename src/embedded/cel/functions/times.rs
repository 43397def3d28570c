//! Times and durations.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::super::value::{Value, read_duration, read_timestamp};
use super::{Functions, no_overload};

const RANGE: &str = "timestamp overflow";

pub(super) const ALL: Functions = &[
    ("duration(duration): duration", |args| Ok(args[0].clone())),
    ("duration(string): duration", |args| match args {
        [Value::String(text)] => read_duration(text)
            .map(Value::Duration)
            .ok_or_else(|| "type conversion error from 'string' to 'google.protobuf.Duration'".to_owned()),
        _ => no_overload(),
    }),
    ("timestamp(timestamp): timestamp", |args| Ok(args[0].clone())),
    ("timestamp(string): timestamp", |args| match args {
        [Value::String(text)] => {
            let read = text.contains('T').then(|| read_timestamp(text)).flatten();
            read.map(Value::Timestamp).ok_or_else(|| "type conversion error from 'string' to 'google.protobuf.Timestamp'".to_owned())
        }
        _ => no_overload(),
    }),
    ("timestamp(int): timestamp", |args| match args {
        [Value::Int(seconds)] => Timestamp::from_second(*seconds).map(Value::Timestamp).map_err(|_| RANGE.to_owned()),
        _ => no_overload(),
    }),
    ("int(timestamp): int", |args| match args {
        [Value::Timestamp(time)] => Ok(Value::Int(time.as_second())),
        _ => no_overload(),
    }),
    ("_+_(duration, duration): duration", |args| match args {
        [Value::Duration(one), Value::Duration(two)] => one.checked_add(*two).map(Value::Duration).ok_or_else(|| RANGE.to_owned()),
        _ => no_overload(),
    }),
    ("_-_(duration, duration): duration", |args| match args {
        [Value::Duration(one), Value::Duration(two)] => one.checked_sub(*two).map(Value::Duration).ok_or_else(|| RANGE.to_owned()),
        _ => no_overload(),
    }),
    ("_+_(timestamp, duration): timestamp", |args| match args {
        [Value::Timestamp(time), Value::Duration(by)] => time.checked_add(*by).map(Value::Timestamp).map_err(|_| RANGE.to_owned()),
        _ => no_overload(),
    }),
    ("_+_(duration, timestamp): timestamp", |args| match args {
        [Value::Duration(by), Value::Timestamp(time)] => time.checked_add(*by).map(Value::Timestamp).map_err(|_| RANGE.to_owned()),
        _ => no_overload(),
    }),
    ("_-_(timestamp, duration): timestamp", |args| match args {
        [Value::Timestamp(time), Value::Duration(by)] => time.checked_sub(*by).map(Value::Timestamp).map_err(|_| RANGE.to_owned()),
        _ => no_overload(),
    }),
    ("_-_(timestamp, timestamp): duration", |args| match args {
        [Value::Timestamp(one), Value::Timestamp(two)] => Ok(Value::Duration(two.duration_until(*one))),
        _ => no_overload(),
    }),
    ("timestamp -> getFullYear(): int", year),
    ("timestamp -> getFullYear(string): int", year),
    ("timestamp -> getMonth(): int", month),
    ("timestamp -> getMonth(string): int", month),
    ("timestamp -> getDate(): int", date),
    ("timestamp -> getDate(string): int", date),
    ("timestamp -> getDayOfMonth(): int", day_of_month),
    ("timestamp -> getDayOfMonth(string): int", day_of_month),
    ("timestamp -> getDayOfWeek(): int", day_of_week),
    ("timestamp -> getDayOfWeek(string): int", day_of_week),
    ("timestamp -> getDayOfYear(): int", day_of_year),
    ("timestamp -> getDayOfYear(string): int", day_of_year),
    ("timestamp -> getHours(): int", hours),
    ("timestamp -> getHours(string): int", hours),
    ("timestamp -> getMinutes(): int", minutes),
    ("timestamp -> getMinutes(string): int", minutes),
    ("timestamp -> getSeconds(): int", seconds),
    ("timestamp -> getSeconds(string): int", seconds),
    ("timestamp -> getMilliseconds(): int", milliseconds),
    ("timestamp -> getMilliseconds(string): int", milliseconds),
    ("duration -> getHours(): int", |args| in_units(args, 3_600_000)),
    ("duration -> getMinutes(): int", |args| in_units(args, 60_000)),
    ("duration -> getSeconds(): int", |args| in_units(args, 1000)),
    ("duration -> getMilliseconds(): int", |args| match args {
        [Value::Duration(time)] => Ok(Value::Int(i64::from(time.subsec_millis()))),
        _ => no_overload(),
    }),
];

fn zoned(args: &[Value], part: fn(&Zoned) -> i64) -> Result<Value, String> {
    let Value::Timestamp(time) = &args[0] else { return no_overload() };
    let zone = match args.get(1) {
        Some(Value::String(name)) => zone(name).ok_or_else(|| format!("unknown time zone {name}"))?,
        _ => TimeZone::UTC,
    };
    Ok(Value::Int(part(&time.to_zoned(zone))))
}

/// A zone by name, or by its offset: `-08:00`.
fn zone(name: &str) -> Option<TimeZone> {
    let Some((hours, minutes)) = name.split_once(':') else { return TimeZone::get(name).ok() };
    let (negative, hours) = hours.strip_prefix('-').map_or((false, hours.trim_start_matches('+')), |hours| (true, hours));
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    jiff::tz::Offset::from_seconds(if negative { -seconds } else { seconds }).ok().map(TimeZone::fixed)
}

fn year(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.year().into())
}

fn month(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| i64::from(time.month()) - 1)
}

fn date(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.day().into())
}

fn day_of_month(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| i64::from(time.day()) - 1)
}

fn day_of_week(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.weekday().to_sunday_zero_offset().into())
}

fn day_of_year(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| i64::from(time.day_of_year()) - 1)
}

fn hours(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.hour().into())
}

fn minutes(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.minute().into())
}

fn seconds(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.second().into())
}

fn milliseconds(args: &[Value]) -> Result<Value, String> {
    zoned(args, |time| time.millisecond().into())
}

fn in_units(args: &[Value], milliseconds: i128) -> Result<Value, String> {
    let whole = |time: &SignedDuration| i64::try_from(time.as_millis() / milliseconds).unwrap_or(i64::MAX);
    match args {
        [Value::Duration(time)] => Ok(Value::Int(whole(time))),
        _ => no_overload(),
    }
}
