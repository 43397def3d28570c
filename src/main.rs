//! The `spai` command: see the library for everything.

fn main() -> std::process::ExitCode {
    spai::cli::main()
}
