//! The local store: what it keeps, how it fails, and that nothing in it can be read in clear.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::json;

use crate::resource::{Object, Prior, Scope, StackIdentity};

use super::*;

struct Place {
    dir: tempfile::TempDir,
    store: LocalStore,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let key = StateKey::load_or_create(&dir.path().join("config"), None).unwrap();
    let store = LocalStore::open(dir.path().join("state"), key);
    Place { dir, store }
}

fn binding() -> Binding {
    Binding { identity: StackIdentity::new("hello", "development"), cluster_uid: "uid".into(), root_namespace: "hello-dev".into() }
}

fn info(number: u64) -> RevisionInfo {
    RevisionInfo {
        number,
        at: Timestamp::UNIX_EPOCH,
        operation: "apply".into(),
        by: "ana@laptop".into(),
        summary: format!("{number} created"),
        objects: 1,
    }
}

fn objects(revision: u64, count: usize, value: &str) -> PriorSet {
    let prior = |n: usize| {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("s{n}"), "namespace": "acme", "labels": {"spai.dev/stack": "hello"}},
            "data": {"password": value}, "type": "Opaque",
        });
        let applied = Object::try_from(object).unwrap();
        Prior {
            desired: applied.digest(),
            uid: format!("uid-{n}"),
            scope: Scope::default(),
            edges: Vec::new(),
            origin: None,
            prevent_destroy: false,
            applied: applied.into(),
        }
    };
    PriorSet { revision, objects: (0..count).map(prior).map(|p| (p.applied.key(), p)).collect::<BTreeMap<_, _>>() }
}

impl Place {
    fn commit(&self, number: u64) -> Result<(), Diagnostic> {
        self.store.commit(&binding(), number - 1, info(number), &objects(number, 2, &format!("value {number}")))
    }

    fn passwords(&self) -> Vec<String> {
        let prior = self.store.load().unwrap().prior;
        prior.objects.values().map(|p| p.applied.value()["data"]["password"].as_str().unwrap().to_owned()).collect()
    }

    /// Every file below the state's folder.
    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.store.dir().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        files
    }
}

#[test]
fn an_absent_state_is_empty_and_reading_it_writes_nothing() {
    let place = place();
    let snapshot = place.store.load().unwrap();
    assert!(snapshot.binding.is_none() && snapshot.prior.objects.is_empty());
    assert_eq!(snapshot.prior.revision, 0);
    assert_eq!(place.store.head().unwrap(), None);
    assert!(place.store.history().unwrap().is_empty());
    assert_eq!(place.store.revision(1).unwrap_err().code, "state::no_revision");
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 0);
}

#[test]
fn what_was_committed_is_read_at_every_revision() {
    let place = place();
    for number in 1..=3 {
        place.commit(number).unwrap();
        assert_eq!(place.store.head().unwrap().unwrap().revision, number);
    }
    let snapshot = place.store.load().unwrap();
    assert_eq!(snapshot.binding, Some(binding()));
    assert_eq!((snapshot.prior.revision, snapshot.prior.objects.len()), (3, 2));
    assert_eq!(place.passwords(), ["value 3", "value 3"]);
    let numbers: Vec<u64> = place.store.history().unwrap().iter().map(|i| i.number).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let first = place.store.revision(1).unwrap();
    assert_eq!(first.revision, 1);
    assert_eq!(first.objects.values().next().unwrap().applied.value()["data"]["password"], "value 1");
    let head = place.store.head().unwrap();
    assert_eq!(place.store.verify().unwrap(), Verified { head, revisions: 3, with_objects: 3 });
}

#[test]
fn a_commit_from_an_older_revision_writes_nothing() {
    let place = place();
    place.commit(1).unwrap();
    place.commit(2).unwrap();
    let head = place.store.head().unwrap();
    let error = place.store.commit(&binding(), 1, info(2), &objects(2, 1, "other")).unwrap_err();
    assert_eq!(error.code, "state::moved_on");
    assert_eq!(place.store.commit(&binding(), 2, info(4), &objects(4, 1, "gap")).unwrap_err().code, "state::write");
    assert_eq!(place.store.head().unwrap(), head);
    assert_eq!(place.passwords(), ["value 2", "value 2"]);
}

#[test]
fn the_same_commit_again_is_done_already() {
    let place = place();
    place.commit(1).unwrap();
    let head = place.store.head().unwrap();
    place.commit(1).unwrap();
    assert_eq!(place.store.head().unwrap(), head);
}

#[test]
fn a_recovered_state_goes_on_with_the_number_that_was_lost() {
    let place = place();
    place.store.commit(&binding(), 0, RevisionInfo { operation: "recover".into(), ..info(41) }, &objects(41, 1, "x")).unwrap();
    place.commit(42).unwrap();
    assert_eq!(place.store.load().unwrap().prior.revision, 42);
}

#[test]
fn old_revisions_keep_a_line_and_lose_their_objects() {
    let place = place();
    let last = REVISIONS_KEPT as u64 + 2;
    for number in 1..=last {
        place.commit(number).unwrap();
    }
    assert_eq!(place.store.history().unwrap().len() as u64, last);
    assert_eq!(place.store.revision(2).unwrap_err().code, "state::no_revision");
    assert_eq!(place.store.revision(3).unwrap().objects.len(), 2);
    assert_eq!(place.store.verify().unwrap().with_objects, REVISIONS_KEPT);
    assert_eq!(fs::read_dir(place.store.dir().join(OBJECTS)).unwrap().count(), REVISIONS_KEPT);
}

#[test]
fn no_byte_of_a_secret_is_on_the_disk() {
    let place = place();
    let canary = "c4n4ry-in-a-secret";
    place.store.commit(&binding(), 0, info(1), &objects(1, 40, canary)).unwrap();
    let mut journal = crate::state::Journal::create(place.store.dir(), place.store.key(), &json!({"secret": canary})).unwrap();
    journal.append(&json!([canary])).unwrap();
    journal.finish().unwrap();
    assert!(place.files().len() >= 4);
    for file in place.files() {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|w| w == &canary.as_bytes()[..6]), "{}", file.display());
    }
    assert_eq!(place.passwords()[0], canary);
}

#[test]
fn another_key_or_none_is_said_and_the_way_out_named() {
    let place = place();
    place.commit(1).unwrap();
    let other = StateKey::load_or_create(&place.dir.path().join("other"), None).unwrap();
    let store = LocalStore::open(place.store.dir(), other.clone());
    let error = store.load().unwrap_err();
    assert_eq!(error.code, "state::key_missing");
    assert!(error.help.unwrap().contains("spai state recover"));
    other.encrypt(b"").unwrap();
    assert_eq!(store.load().unwrap_err().code, "state::key_other");
    assert_eq!(store.history().unwrap().len(), 1, "the history needs no key");
}

#[test]
fn an_outline_is_the_state_without_its_objects() {
    let place = place();
    assert!(place.store.outline().unwrap().head.is_none());
    for number in 1..3 {
        place.commit(number).unwrap();
        let (whole, outline) = (place.store.load().unwrap(), place.store.outline().unwrap());
        assert_eq!(outline.objects, whole.prior.objects.into_keys().collect::<Vec<_>>());
        assert_eq!((outline.binding, outline.head), (whole.binding, whole.head));
    }
}

#[test]
fn a_state_of_an_older_format_is_read_and_gone_on_with() {
    for format in 1..FORMAT {
        let place = place();
        place.commit(1).unwrap();
        // As it was written then: objects, and a record and a head of that format.
        let dir = place.store.dir();
        let left = objects(1, 200, "old");
        let old = sealed::of_an_older_format(&place.store.key, format, &left);
        fs::write(place.store.object_file(1), &old).unwrap();
        let (exclusive, ledger) = place.store.read().unwrap().unwrap();
        let (bytes, digest) = Record { format, sealed: Digest::of_bytes(&old), ..ledger.newest().clone() }.encode().unwrap();
        exclusive
            .with(move |db| {
                db.insert(record_key(1), bytes)?;
                Ok(db.flush()?)
            })
            .unwrap();
        exclusive.persist().unwrap();
        drop(exclusive);
        let check = Digest::of_bytes(format!("{format} 1 {}", digest.0).as_bytes());
        let head = json!({"format": format, "revision": 1, "digest": digest, "check": check});
        fs::write(dir.join(ledger::HEAD), head.to_string()).unwrap();

        let read = place.store.load().unwrap();
        assert_eq!((read.prior.objects.len(), place.store.outline().unwrap().objects.len()), (200, 200));
        recalled(&place.store, &left);
        place.commit(2).unwrap();
        assert_eq!(place.store.verify().unwrap().with_objects, 2);
        recalled(&place.store, &left);
    }
}

/// Each object is recalled as it is read with all others, and nothing else is.
fn recalled(store: &LocalStore, left: &PriorSet) {
    let whole = store.revision(left.revision).unwrap();
    assert_eq!(whole.objects.len(), left.objects.len());
    let head = Head { revision: left.revision, ..store.head().unwrap().unwrap() };
    let outline = Outline { head: Some(head), objects: left.objects.keys().cloned().collect(), binding: None };
    let recall = store.recall(&outline).unwrap();
    for (key, prior) in &left.objects {
        let recalled = recall(key).unwrap().unwrap();
        assert_eq!((&recalled.uid, &*recalled.applied), (&prior.uid, &*prior.applied));
        assert_eq!(*whole.objects[key].applied, *prior.applied);
        let mut other = key.clone();
        other.name += "-other";
        assert!(recall(&other).unwrap().is_none());
    }
}

#[test]
fn objects_are_recalled_whatever_their_number() {
    for count in [0, 1, 63, 64, 65, 128, 129, 1000] {
        let place = place();
        let left = objects(1, count, "value");
        place.store.commit(&binding(), 0, info(1), &left).unwrap();
        recalled(&place.store, &left);
        assert_eq!(place.store.outline().unwrap().objects, left.objects.into_keys().collect::<Vec<_>>());
    }
}

#[test]
fn what_it_stands_at_is_told_while_another_has_the_database() {
    let place = place();
    place.commit(1).unwrap();
    place.commit(2).unwrap();
    let _exclusive = Exclusive::wait(place.store.dir()).unwrap();
    let outline = place.store.outline().unwrap();
    assert_eq!((outline.head.unwrap().revision, outline.objects.len()), (2, 2));
    recalled(&place.store, &objects(2, 2, "value 2"));
}

#[test]
fn a_newer_state_is_refused_and_left_untouched() {
    let place = place();
    place.commit(1).unwrap();
    let head = place.store.dir().join(ledger::HEAD);
    fs::write(&head, format!(r#"{{"format":{},"something":"else"}}"#, FORMAT + 1)).unwrap();
    let all = || -> Vec<Vec<u8>> { place.files().iter().map(|f| fs::read(f).unwrap()).collect() };
    let before = all();
    assert_eq!(place.store.load().unwrap_err().code, "state::newer");
    assert_eq!(place.commit(2).unwrap_err().code, "state::newer");
    assert_eq!(all(), before);
}

#[test]
fn a_lost_database_or_head_is_no_empty_state() {
    for part in [database::FOLDER, ledger::HEAD, OBJECTS] {
        let place = place();
        place.commit(1).unwrap();
        place.commit(2).unwrap();
        let path = place.store.dir().join(part);
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
        let error = place.store.load().unwrap_err();
        assert_eq!(error.code, "state::corrupt", "{part}");
        assert!(error.help.unwrap().contains("spai state recover"));
        if part != OBJECTS {
            assert_eq!(place.commit(3).unwrap_err().code, "state::corrupt", "{part}");
        }
    }
}

#[test]
fn objects_alone_are_no_empty_state() {
    let place = place();
    place.commit(1).unwrap();
    fs::remove_dir_all(place.store.dir().join(database::FOLDER)).unwrap();
    fs::remove_file(place.store.dir().join(ledger::HEAD)).unwrap();
    assert_eq!(place.store.load().unwrap_err().code, "state::corrupt");
    assert!(place.store.set_aside(Timestamp::UNIX_EPOCH).unwrap().is_some());
    assert!(place.store.load().unwrap().binding.is_none());
}

#[test]
fn a_database_put_back_from_an_older_copy_is_noticed() {
    let place = place();
    place.commit(1).unwrap();
    let copy = place.dir.path().join("copy");
    let db = place.store.dir().join(database::FOLDER);
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&db).unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_file()) {
        fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    place.commit(2).unwrap();
    fs::remove_dir_all(&db).unwrap();
    fs::rename(&copy, &db).unwrap();
    let error = place.store.load().unwrap_err();
    assert_eq!(error.code, "state::corrupt");
    assert!(error.message.contains("revision 1, but its head file at 2"), "{error}");
}

#[test]
fn a_crash_between_database_and_head_file_loses_nothing() {
    let place = place();
    let head = place.store.dir().join(ledger::HEAD);
    for number in 1..=3 {
        let before = place.store.read().unwrap().map(|(_, ledger)| ledger.newest().clone());
        place.commit(number).unwrap();
        match before {
            Some(before) => HeadFile::write(place.store.dir(), &before).unwrap(),
            None => fs::remove_file(&head).unwrap(),
        }
        assert_eq!(place.store.load().unwrap().prior.revision, number);
        assert_eq!(place.store.outline().unwrap().head, place.store.head().unwrap());
    }
    place.commit(4).unwrap();
    assert_eq!(place.store.verify().unwrap().with_objects, 4);
}

#[test]
fn what_is_set_aside_is_kept_and_a_new_state_begins() {
    let place = place();
    assert_eq!(place.store.set_aside(Timestamp::UNIX_EPOCH).unwrap(), None);
    place.commit(1).unwrap();
    let head = place.store.head().unwrap();
    let aside = place.store.set_aside(Timestamp::UNIX_EPOCH).unwrap().unwrap();
    assert!(place.store.load().unwrap().binding.is_none());
    assert_eq!(LocalStore::open(&aside, place.store.key().clone()).head().unwrap(), head);
    place.commit(1).unwrap();
    assert_ne!(place.store.set_aside(Timestamp::UNIX_EPOCH).unwrap().unwrap(), aside);
}

#[test]
fn processes_and_threads_take_turns() {
    let place = place();
    place.commit(1).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(place.store.load().unwrap().prior.revision, 1)));
        }
    });
}

#[test]
fn of_two_commits_from_one_revision_one_wins() {
    let place = place();
    place.commit(1).unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let commit = |n: u64| place.store.commit(&binding(), 1, info(2), &objects(2, 1, &n.to_string()));
        let runs: Vec<_> = (0..4).map(|n| scope.spawn(move || commit(n))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|e| e.code == "state::moved_on"));
}

/// Cuts and flips all over the state's files: what was committed, or an error, and no panic comes out.
#[test]
fn damage_anywhere_is_an_error_or_harmless() {
    let place = place();
    for number in 1..=3 {
        place.commit(number).unwrap();
    }
    let sound: Vec<(PathBuf, Vec<u8>)> = place.files().into_iter().map(|f| (f.clone(), fs::read(f).unwrap())).collect();
    let mut seen = BTreeMap::<String, usize>::new();
    for (file, bytes) in &sound {
        let name = file.strip_prefix(place.store.dir()).unwrap().display().to_string();
        let written = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let steps = 24;
        for step in 0..steps {
            for cut in [true, false] {
                let at = (written * step / steps).min(bytes.len().saturating_sub(1));
                let mut damaged = bytes.clone();
                if cut {
                    damaged.truncate(at);
                } else if let Some(byte) = damaged.get_mut(at) {
                    *byte ^= 0x10;
                }
                fs::remove_dir_all(place.store.dir()).unwrap();
                for (other, content) in &sound {
                    fs::create_dir_all(other.parent().unwrap()).unwrap();
                    fs::write(other, if other == file { &damaged } else { content }).unwrap();
                }
                let began = Instant::now();
                let outcome = match place.store.load() {
                    Ok(snapshot) => {
                        assert_eq!(snapshot.prior.revision, 3, "{name} {at}");
                        assert_eq!(place.passwords(), ["value 3", "value 3"]);
                        "as committed".to_owned()
                    }
                    Err(error) => {
                        assert!(error.help.is_some(), "{error}");
                        error.code
                    }
                };
                assert!(began.elapsed().as_secs() < 20, "{name} {at}");
                *seen.entry(format!("{name}: {outcome}")).or_default() += 1;
            }
        }
    }
    for part in ["db/db", "head.json", "objects/3"] {
        assert!(seen.contains_key(&format!("{part}: state::corrupt")), "{seen:?}");
    }
    assert!(seen.keys().all(|k| k.ends_with("as committed") || k.ends_with("state::corrupt") || k.ends_with("state::newer")), "{seen:?}");
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "commits until it is killed"]
fn child_that_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os("SPAI_TEST_COMMITS_IN") else { return };
    let dir = PathBuf::from(dir);
    let store = LocalStore::open(dir.join("state"), StateKey::load_or_create(&dir.join("config"), None).unwrap());
    loop {
        let at = store.head().unwrap().map_or(0, |head| head.revision);
        store.commit(&binding(), at, info(at + 1), &objects(at + 1, 30, &format!("value {}", at + 1))).unwrap();
    }
}

#[test]
fn killed_at_any_time_the_state_is_what_was_committed() {
    let place = place();
    let mut seen = 0;
    for round in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "state::local::tests::child_that_commits_until_it_is_killed"])
            .env("SPAI_TEST_COMMITS_IN", place.dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Once it has committed, at some moment of what it does next.
        let head = place.store.dir().join(ledger::HEAD);
        let (before, began) = (files::read(&head).unwrap(), Instant::now());
        while files::read(&head).unwrap() == before && began.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // The key may have been made by the child.
        let store = LocalStore::open(place.store.dir(), StateKey::load_or_create(&place.dir.path().join("config"), None).unwrap());
        let prior = store.load().unwrap().prior;
        assert!(prior.revision >= seen);
        seen = prior.revision;
        assert!(prior.objects.values().all(|p| p.applied.value()["data"]["password"] == format!("value {seen}")));
        assert_eq!(store.verify().unwrap().head.map_or(0, |head| head.revision), seen);
    }
    assert!(seen >= 12, "{seen}");
}
