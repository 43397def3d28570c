//! Images: that a registry could know them, and that production says which version.

use crate::resource::Diagnostics;
use crate::stack::model::Image;

use super::subject::{Subject, below};

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    one(subject, &[], &subject.spec.image, diagnostics);
    for (path, container) in subject.containers() {
        one(subject, &path, &container.image, diagnostics);
    }
    for (path, hook) in subject.hooks() {
        one(subject, &path, &hook.image, diagnostics);
    }
}

fn one(subject: &Subject<'_>, path: &[&str], image: &Image, diagnostics: &mut Diagnostics) {
    let at = |key: &'static str| below(path, &["image", key]);
    let Some(repository) = &image.repository else {
        // A container, and a hook, without an image has the service's; a service without one is the compiler's to refuse.
        let said = image.tag.as_ref().map(|_| "tag").or(image.digest.as_ref().map(|_| "digest"));
        if let Some(key) = said.filter(|_| !path.is_empty()) {
            let message = format!("`{}` has a {key} and no repository", Subject::path(&below(path, &["image"])));
            subject.wrong(
                diagnostics,
                "stack::no_image",
                &at(key),
                (message, "of which image?"),
                "add `repository`, or leave the whole `image` out to run the service's own",
            );
        }
        return;
    };
    check_repository(subject, &at("repository"), repository, diagnostics);
    if let Some(digest) = &image.digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            let label = if digest.starts_with("sha256:") {
                format!("{} characters behind `sha256:`", hex.len())
            } else {
                "doesn't begin with `sha256:`".to_owned()
            };
            subject.wrong(
                diagnostics,
                "stack::digest",
                &at("digest"),
                (format!("`{digest}` is no digest"), label),
                "a digest is `sha256:` and 64 digits of 0-9 and a-f",
            );
        }
    }
    match &image.tag {
        Some(tag) if !is_tag(tag) => {
            subject.wrong(
                diagnostics,
                "stack::tag",
                &at("tag"),
                (format!("`{tag}` is no tag"), format!("{} characters", tag.chars().count())),
                "letters, digits, `_`, `.` and `-`, at most 128, the first a letter, a digit or `_`",
            );
        }
        Some(tag) if tag == "latest" && image.digest.is_none() && subject.production => {
            subject.wrong(
                diagnostics,
                "stack::no_tag",
                &at("tag"),
                (format!("the image `{repository}` has no fixed version, and this is production"), "another image every day"),
                "say which version runs: `tag = \"1.0.0\"`, or a `digest`",
            );
        }
        None if image.digest.is_none() && subject.production => {
            subject.wrong(
                diagnostics,
                "stack::no_tag",
                &at("repository"),
                (format!("the image `{repository}` has no tag, and this is production"), "neither `tag` nor `digest`"),
                "say which version runs: `tag = \"1.0.0\"`, or a `digest`",
            );
        }
        _ => {}
    }
}

fn check_repository(subject: &Subject<'_>, path: &[&str], repository: &str, diagnostics: &mut Diagnostics) {
    let code = "stack::repository";
    let message = format!("`{repository}` is no image's name");
    let last = repository.rsplit('/').next().unwrap_or(repository);
    if let Some((_, digest)) = repository.split_once('@') {
        return subject.wrong(
            diagnostics,
            code,
            path,
            (message, "the digest stands in it"),
            format!("put the digest into a key of its own: `digest = \"{digest}\"`"),
        );
    }
    if let Some((_, tag)) = last.split_once(':') {
        return subject.wrong(
            diagnostics,
            code,
            path,
            (message, "the tag stands in it"),
            format!("put the tag into a key of its own: `tag = \"{tag}\"`"),
        );
    }
    if repository.contains("://") {
        return subject.wrong(diagnostics, code, path, (message, "this is an address"), "leave `https://` out");
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/:".contains(&b);
    let whole = !repository.is_empty() && repository.split('/').all(|part| !part.is_empty());
    if !whole || !repository.bytes().all(allowed) {
        let label = if repository.bytes().any(|b| b.is_ascii_uppercase()) { "has capital letters" } else { "can't be read" };
        subject.wrong(
            diagnostics,
            code,
            path,
            (message, label),
            "lower-case letters, digits, `.`, `_`, `-`, parted by `/`: `registry.example/team/name`",
        );
    }
}

fn is_tag(tag: &str) -> bool {
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && tag.len() <= 128 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}
