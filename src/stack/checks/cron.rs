//! The schedule of a CronJob, as the controller manager reads it: five fields, or a word like `@daily`.

/// A field: its name, its bounds, and words that stand for numbers (the first for the lower bound).
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day of the month", least: 1, most: 31, words: &[] },
    Field { name: "month", least: 1, most: 12, words: &MONTHS },
    Field { name: "day of the week", least: 0, most: 6, words: &DAYS },
];
const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Says what is wrong with a schedule, if anything is.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    let schedule = schedule.trim();
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        return Err("the time zone stands in `job.time_zone`".to_owned());
    }
    if schedule.starts_with('@') {
        return if WORDS.contains(&schedule) { Ok(()) } else { Err(format!("the words are {}", WORDS.join(", "))) };
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("{} fields, and five are needed", fields.len()));
    }
    for (text, field) in fields.into_iter().zip(&FIELDS) {
        text.split(',').try_for_each(|part| part_of(part, field))?;
    }
    Ok(())
}

/// `*`, `5`, `1-5`, `*/15`, `10-20/2`.
fn part_of(part: &str, field: &Field) -> Result<(), String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    if let Some(step) = step
        && step.parse::<u32>().ok().as_ref().is_none_or(|step| !(1..=field.most).contains(step))
    {
        return Err(format!("{}: `{step}` is no step", field.name));
    }
    if range == "*" || range == "?" {
        return Ok(());
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (number(first, field)?, number(last, field)?);
    if first > last { Err(format!("{}: `{range}` goes backwards", field.name)) } else { Ok(()) }
}

fn number(text: &str, field: &Field) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(at) = field.words.iter().position(|word| *word == lower) {
        return Ok(field.least + u32::try_from(at).unwrap_or_default());
    }
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>().ok().filter(|_| plain) {
        Some(number) if (field.least..=field.most).contains(&number) => Ok(number),
        Some(number) => Err(format!("{} is from {} to {}, this is {number}", field.name, field.least, field.most)),
        None => Err(format!("{}: `{text}` is no number", field.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn schedules_that_the_cluster_takes() {
        for schedule in ["*/5 * * * *", "0 3 * * 1", "0 0 1 JAN *", "15,45 8-18/2 * * mon-fri", "@daily", "0 0 ? * 0"] {
            assert_eq!(check(schedule), Ok(()), "{schedule}");
        }
    }

    #[test]
    fn schedules_that_it_refuses() {
        for (schedule, reason) in [
            ("", "0 fields, and five are needed"),
            ("* * * *", "4 fields, and five are needed"),
            ("60 * * * *", "minute is from 0 to 59, this is 60"),
            ("* * 0 * *", "day of the month is from 1 to 31, this is 0"),
            ("* * * * 7", "day of the week is from 0 to 6, this is 7"),
            ("5-1 * * * *", "minute: `5-1` goes backwards"),
            ("*/0 * * * *", "minute: `0` is no step"),
            ("a * * * *", "minute: `a` is no number"),
            ("TZ=UTC * * * * *", "the time zone stands in `job.time_zone`"),
        ] {
            assert_eq!(check(schedule), Err(reason.to_owned()), "{schedule}");
        }
        assert!(check("@often").is_err());
    }
}
