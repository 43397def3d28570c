//! Folders of stacks as they are found.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A folder with a small stack and `files`.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let least: [(&str, &[u8]); 2] = [("stack.toml", b"name = 'shop'\n"), ("environments/dev.toml", b"cluster = { context = '*' }\n")];
    for (path, bytes) in least.iter().chain(files) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn read_errors(folder: &Path) -> Vec<(String, String)> {
    Sources::read(folder).unwrap_err().0.into_iter().map(|d| (d.code, d.message)).collect()
}

#[test]
fn a_folder_is_read_whole() {
    let folder = folder(&[
        ("services/web.toml", b"scope = 'environment'\nfiles.'/a' = { source = 'services/files/a.txt' }\n"),
        ("services/files/a.txt", b"content"),
        ("manifests/deep/a.yml", b"apiVersion: v1\nkind: Namespace\nmetadata: { name: x }\n"),
        (".git/config", b"\xff"),
        ("state/old", b"\xff"),
        ("README.md", b"\xff"),
    ]);
    let sources = Sources::read(folder.path()).unwrap();
    let paths: Vec<&str> = sources.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["environments/dev.toml", "manifests/deep/a.yml", "services/web.toml", "stack.toml"]);
    let (stack, diagnostics) = Stack::load(sources);
    assert_eq!(diagnostics, Diagnostics::default());
    let (resolved, diagnostics) = stack.unwrap().resolve(&options("dev"));
    assert_eq!(diagnostics, Diagnostics::default());
    let files = serde_json::to_value(&resolved.unwrap().places[0].services["web"].spec.files).unwrap();
    assert_eq!(files, serde_json::json!({"/a": "content"}));
}

#[test]
fn byte_order_marks_and_crlf_make_no_difference() {
    let folder = folder(&[("stack.toml", b"\xef\xbb\xbfname = 'shop'\r\ndescription = '''a\r\nb'''\r\n")]);
    let sources = Sources::read(folder.path()).unwrap();
    assert_eq!(&*sources.get("stack.toml").unwrap(), "name = 'shop'\ndescription = '''a\nb'''\n");
}

#[test]
fn what_is_no_text_is_an_error_each() {
    let folder = folder(&[("services/a.toml", b"x = '\xff'"), ("tenants/b.toml", b"\xff\xfea\0"), ("manifests/c.yaml", b"\x80")]);
    let errors = read_errors(folder.path());
    let codes: Vec<&str> = errors.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["stack::not_utf8", "stack::not_utf8", "stack::not_utf8"]);
    assert!(errors[0].1.contains("byte 5") && errors[1].1.contains("UTF-16"), "{errors:?}");
}

#[test]
fn files_beyond_the_limit_are_not_read() {
    let folder = folder(&[]);
    // A file of 100 GB that takes no room on the disk.
    for path in ["services/big.toml", "manifests/big.yaml"] {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::File::create(folder.path().join(path)).unwrap().set_len(100 << 30).unwrap();
    }
    let errors = read_errors(folder.path());
    assert_eq!(errors.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["stack::too_large", "stack::too_large"]);
    assert!(errors[0].1.contains("4 MiB") && errors[1].1.contains("32 MiB"), "{errors:?}");
}

#[test]
fn links_stay_inside_and_do_not_go_round() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    let folder = folder(&[("manifests/a/x.yaml", b""), ("shared/web.toml", b"scope = 'environment'\n")]);
    fs::create_dir_all(folder.path().join("services")).unwrap();
    symlink("../shared/web.toml", folder.path().join("services/web.toml")).unwrap();
    assert!(Sources::read(folder.path()).unwrap().get("services/web.toml").is_some());

    symlink(outside.path().join("secret"), folder.path().join("services/leak.toml")).unwrap();
    symlink("self.toml", folder.path().join("services/self.toml")).unwrap();
    symlink("nowhere", folder.path().join("services/gone.toml")).unwrap();
    symlink("..", folder.path().join("manifests/a/up")).unwrap();
    symlink(outside.path(), folder.path().join("tenants")).unwrap();
    let errors = read_errors(folder.path());
    let codes: Vec<&str> = errors.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["stack::unreadable", "stack::outside", "stack::unreadable", "stack::outside", "stack::link_circle"], "{errors:?}");
}

#[test]
fn a_service_takes_no_file_through_a_link_that_leaves() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    let folder = folder(&[("services/web.toml", b"scope = 'environment'\nfiles.'/a' = { source = 'leak' }\n")]);
    symlink(outside.path().join("secret"), folder.path().join("leak")).unwrap();
    let (stack, _) = Stack::load(Sources::read(folder.path()).unwrap());
    let (_, diagnostics) = stack.unwrap().resolve(&options("dev"));
    assert_eq!(diagnostics.0[0].code, "stack::outside");
}

#[test]
fn folders_that_are_no_stack_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let errors = read_errors(folder.path());
    assert!(errors[0].1.contains("no stack.toml"), "{errors:?}");
    assert!(read_errors(&folder.path().join("x"))[0].1.contains("no such file or folder"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(read_errors(&folder.path().join("file"))[0].0, "stack::not_a_folder");
}

#[test]
fn what_nobody_reads_is_worth_a_warning() {
    let folder = folder(&[
        ("service/web.toml", b""),
        ("tenants/a.yaml", b""),
        ("manifests/a.txt", b""),
        ("docs/x", b""),
        ("tenants/README.md", b""),
    ]);
    let (_, diagnostics) = Stack::load(Sources::read(folder.path()).unwrap());
    let warnings: Vec<&str> = diagnostics.0.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(warnings, ["`manifests/a.txt` isn't read", "`tenants/a.yaml` isn't read", "folder `service` isn't read"]);
}
