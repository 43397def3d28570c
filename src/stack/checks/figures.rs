//! Durations, counts, percentages: that they can be read, and that they agree with each other.

use std::time::Duration;

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::duration;
use crate::stack::model::{CountOrPercent, WorkloadKind};

use super::cron;
use super::subject::{Subject, below};

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    durations(subject, diagnostics);
    replicas(subject, diagnostics);
    rollout(subject, diagnostics);
    schedule(subject, diagnostics);
}

fn durations(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let spec = subject.spec;
    let mut read = |path: &[&str], text: &Option<String>, least: u64, most: Option<u64>| {
        let text = text.as_deref()?;
        let shown = format!("service `{}`: `{}`", subject.name, Subject::path(path));
        read_duration(&shown, text, subject.at(path), (least, most), diagnostics)
    };
    read(&["pod", "termination_grace"], &spec.pod.termination_grace, 0, None);
    read(&["pod", "pre_stop"], &spec.pod.pre_stop, 0, None);
    read(&["job", "deadline"], &spec.job.deadline, 1, None);
    read(&["job", "keep"], &spec.job.keep, 0, None);
    if let Some(scaling) = &spec.scaling {
        // The API server's own limit of a stabilization window.
        read(&["scaling", "scale_down_after"], &scaling.scale_down_after, 0, Some(3600));
    }
    let progress = read(&["rollout", "progress_deadline"], &spec.rollout.progress_deadline, 1, None);
    let min_ready = read(&["rollout", "min_ready"], &spec.rollout.min_ready, 0, None);
    for (name, port) in &spec.ports {
        if let Some(probe) = &port.probe {
            let path = |key| ["ports", name.as_str(), "probe", key];
            read(&path("startup"), &probe.startup, 1, None);
            read(&path("period"), &probe.period, 1, None);
            read(&path("timeout"), &probe.timeout, 1, None);
        }
    }
    for (path, hook) in subject.hooks() {
        read(&below(&path, &["deadline"]), &hook.deadline, 1, None);
    }
    if let (Some(progress), Some(min_ready)) = (progress, min_ready)
        && min_ready >= progress
    {
        diagnostics.push(
            Diagnostic::error(
                "stack::progress_deadline",
                format!("service `{}`: a roll-out would fail before any pod counts as available", subject.name),
            )
            .at(subject.at(&["rollout", "progress_deadline"]), format!("failed after {}", duration::print(progress)))
            .at(subject.at(&["rollout", "min_ready"]), format!("available after {}", duration::print(min_ready)))
            .help("let `rollout.progress_deadline` be longer than `rollout.min_ready`"),
        );
    }
}

/// Reads a duration of so many seconds at least and at most; what is wrong is noted.
pub(super) fn read_duration(
    shown: &str,
    text: &str,
    origin: &Origin,
    (least, most): (u64, Option<u64>),
    diagnostics: &mut Diagnostics,
) -> Option<Duration> {
    let wrong = |message: String, label: String| Diagnostic::error("stack::duration", message).at(origin, label).help(duration::HELP);
    match duration::parse(text) {
        Err(error) => {
            diagnostics.push(wrong(format!("{shown} is no duration: `{text}`"), error.to_string()));
            None
        }
        Ok(read) if read < Duration::from_secs(least) => {
            diagnostics.push(wrong(format!("{shown} is `{text}`, and {least}s is the least"), "too short".to_owned()));
            None
        }
        Ok(read) if most.is_some_and(|most| read > Duration::from_secs(most)) => {
            let most = duration::print(Duration::from_secs(most.unwrap_or_default()));
            diagnostics.push(wrong(format!("{shown} is `{text}`, and {most} is the most"), "too long".to_owned()));
            None
        }
        Ok(read) => Some(read),
    }
}

fn replicas(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let spec = subject.spec;
    if let (Some(min), Some(max)) = (spec.replicas.min, spec.replicas.max)
        && min > max
    {
        diagnostics.push(
            Diagnostic::error("stack::min_above_max", format!("service `{}` has at least {min} replicas and at most {max}", subject.name))
                .at(subject.at(&["replicas", "min"]), "the least")
                .at(subject.at(&["replicas", "max"]), "the most")
                .help("lower `replicas.min` or raise `replicas.max`"),
        );
    }
    let Some(scaling) = spec.scaling.as_ref().filter(|scaling| scaling.enabled != Some(false)) else { return };
    if scaling.cpu.is_none() && scaling.memory.is_none() {
        subject.wrong(
            diagnostics,
            "stack::scaling",
            &["scaling"],
            ("an autoscaler needs something to go by".to_owned(), "neither `cpu` nor `memory`"),
            "say `scaling.cpu = 70` (percent of what is requested), or `scaling.enabled = false`",
        );
    }
    if let Some(headroom) = scaling.headroom
        && !(1.0..=1000.0).contains(&headroom)
    {
        let message = format!("`scaling.headroom` is from 1 to 1000, this is {headroom}");
        subject.wrong(
            diagnostics,
            "stack::out_of_range",
            &["scaling", "headroom"],
            (message, "out of range"),
            "the ceiling in multiples of the replicas: `2.0` lets them double",
        );
    }
}

fn rollout(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let spec = subject.spec;
    let disruption = spec.disruption.as_ref();
    let figures: [(&[&str], Option<&CountOrPercent>, u64); 4] = [
        (&["rollout", "max_surge"], spec.rollout.max_surge.as_ref(), 1000),
        (&["rollout", "max_unavailable"], spec.rollout.max_unavailable.as_ref(), 100),
        (&["disruption", "min_available"], disruption.and_then(|d| d.min_available.as_ref()), 100),
        (&["disruption", "max_unavailable"], disruption.and_then(|d| d.max_unavailable.as_ref()), 100),
    ];
    for (path, figure, most) in figures {
        if let Some(figure) = figure {
            percent(&format!("service `{}`: `{}`", subject.name, Subject::path(path)), figure, subject.at(path), most, diagnostics);
        }
    }
    let none = |figure: &Option<CountOrPercent>| match figure {
        Some(CountOrPercent::Count(count)) => *count == 0,
        Some(CountOrPercent::Percent(text)) => text.trim().trim_end_matches('%').parse() == Ok(0),
        None => false,
    };
    if none(&spec.rollout.max_surge) && none(&spec.rollout.max_unavailable) && spec.rollout.recreate != Some(true) {
        diagnostics.push(
            Diagnostic::error("stack::rollout", format!("service `{}`: a roll-out could never begin", subject.name))
                .at(subject.at(&["rollout", "max_surge"]), "no pod more than wanted")
                .at(subject.at(&["rollout", "max_unavailable"]), "and none fewer")
                .help("allow one of them: `rollout.max_surge = 1` keeps the capacity"),
        );
    }
}

/// Checks a count or percentage.
pub(super) fn percent(shown: &str, figure: &CountOrPercent, origin: &Origin, most: u64, diagnostics: &mut Diagnostics) {
    let CountOrPercent::Percent(text) = figure else { return };
    let help = "write a count, `1`, or a percentage, `\"25%\"`";
    match text.strip_suffix('%').and_then(|number| number.parse::<u64>().ok()) {
        None => diagnostics.push(
            Diagnostic::error("stack::percentage", format!("{shown} is neither a count nor a percentage: `{text}`"))
                .at(origin, "can't be read")
                .help(help),
        ),
        Some(number) if number > most => {
            diagnostics.push(
                Diagnostic::error("stack::out_of_range", format!("{shown} is at most {most}%, this is {text}"))
                    .at(origin, "out of range")
                    .help(help),
            );
        }
        Some(_) => {}
    }
}

fn schedule(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let job = &subject.spec.job;
    let is_cron = subject.spec.kind == Some(WorkloadKind::CronJob);
    match &job.schedule {
        None if is_cron => {
            let origin = subject.at(&["kind"]);
            diagnostics.push(
                Diagnostic::error("stack::schedule", format!("service `{}` is a CronJob and has no schedule", subject.name))
                    .at(origin, "runs again and again, but when?")
                    .help("say when: `job.schedule = \"0 3 * * *\"` is every day at 3:00"),
            );
        }
        Some(_) if !is_cron => {
            subject.wrong(
                diagnostics,
                "stack::schedule",
                &["job", "schedule"],
                ("only a CronJob has a schedule".to_owned(), "never looked at"),
                "add `kind = \"CronJob\"`, or remove the schedule",
            );
        }
        Some(schedule) => {
            if let Err(error) = cron::check(schedule) {
                let help = "five fields: minute, hour, day of the month, month, day of the week; `\"*/15 * * * *\"` is every quarter of an hour, `\"0 3 * * 1\"` every Monday at 3:00";
                subject.wrong(diagnostics, "stack::schedule", &["job", "schedule"], (format!("`{schedule}` is no schedule"), error), help);
            }
        }
        None => {}
    }
    if let Some(zone) = &job.time_zone {
        let plain = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
        if !plain || zone.eq_ignore_ascii_case("local") {
            subject.wrong(
                diagnostics,
                "stack::time_zone",
                &["job", "time_zone"],
                (format!("`{zone}` is no time zone"), "not a name of the time zone database"),
                "write it as AREA/CITY: `\"Europe/Berlin\"`, or `\"Etc/UTC\"`",
            );
        }
    }
}
