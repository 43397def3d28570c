//! What `tests/control-plane` promises of itself: loopback only, several side by side, nothing left behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn pids(run: &Path) -> Vec<u32> {
    let files = std::fs::read_dir(run.join("pids")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().trim().parse().unwrap()).collect()
}

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The local addresses, in the kernel's hex, at which a process listens.
fn listens_at(pid: u32) -> BTreeSet<String> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    let sockets: BTreeSet<String> =
        descriptors.filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields[3] == "0A" && sockets.contains(fields[9])).map(|fields| fields[1].to_owned()).collect()
}

#[test]
fn several_run_side_by_side_on_loopback_and_leave_nothing() {
    if !Path::new("/proc/net/tcp").exists() {
        return;
    }
    let Some(first) = support::own_control_plane(&["--nodes", "1", "--cpu", "7"]) else { return };
    let Some(second) = support::own_control_plane(&["--no-controllers"]) else { return };
    let zones = r"jsonpath={range .items[*]}{.metadata.labels.topology\.kubernetes\.io/zone}={.status.allocatable.cpu} {end}";
    assert_eq!(first.kubectl_out(&["get", "nodes", "-o", zones]).trim(), "zone-a=7 zone-b=7 zone-c=7");
    assert_eq!(second.kubectl_out(&["get", "nodes", "-o", zones]).trim(), "");
    let all: Vec<u32> = [&first, &second].into_iter().flat_map(|plane| pids(plane.run_folder())).collect();
    assert_eq!(all.len(), 5 + 2);
    let mut ports = 0;
    for pid in &all {
        for address in listens_at(*pid) {
            assert!(
                address.starts_with("0100007F:") || address.starts_with("0000000000000000FFFF00000100007F:"),
                "{pid} listens at {address}"
            );
            ports += 1;
        }
    }
    // The API server's, and etcd's two, of each.
    assert_eq!(ports, 6);
    let runs: Vec<PathBuf> = [&first, &second].map(|plane| plane.run_folder().to_owned()).into();
    drop((first, second));
    assert!(!all.iter().any(|pid| lives(*pid)) && !runs.iter().any(|run| run.exists()));
}

#[test]
fn a_command_is_run_with_one_of_its_own_and_its_exit_code_kept() {
    if support::control_plane().is_none() {
        return;
    }
    let run = |script: &str| {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/run"));
        command.args(["--quiet", "--no-controllers", "--", "bash", "-c", script]).stdout(Stdio::piped());
        command
    };
    let done = run("kubectl get --raw /readyz >&2 && echo $SPAI_CONTROL_PLANE $KUBECONFIG; exit 7").output().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    let (folder, kubeconfig) = told.trim().split_once(' ').unwrap();
    assert_eq!((done.status.code(), kubeconfig), (Some(7), format!("{folder}/kubeconfig").as_str()));
    assert!(!Path::new(folder).exists());

    // Ended from outside while the command runs.
    let mut child = run("cat $SPAI_CONTROL_PLANE/pids/* | tr '\\n' ' '; echo $SPAI_CONTROL_PLANE; exec sleep 1000").spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(!child.wait().unwrap().success());
    let (pids, folder) = line.trim().rsplit_once(' ').unwrap();
    assert!(!Path::new(folder).exists() && !pids.split_whitespace().any(|pid| lives(pid.parse().unwrap())), "{line}");
}

#[test]
fn with_chaos_no_pod_gets_ready_and_components_come_back_with_their_data() {
    let Some(plane) = support::own_control_plane(&["--chaos", "--nodes", "1"]) else { return };
    plane.kubectl_out(&["run", "a", "--image=r/a:1"]);
    let phase = || plane.kubectl_out(&["get", "pod", "a", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].ready}"]);
    support::eventually("the pod runs", || phase() == "Running false");
    for component in ["etcd", "apiserver", "scheduler"] {
        plane.kill(component);
        plane.start(component);
    }
    support::eventually("the API server has etcd again", || plane.kubectl().args(["get", "pod", "a"]).output().unwrap().status.success());
    assert_eq!(phase(), "Running false");
}
