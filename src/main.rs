//! The `spai` command: see the library for everything.

/// Stacks and lists of objects are many small values, made and let go by several threads: with the system's allocator
/// `render` takes a fifth more of the processor. Without huge pages: they would take 40 MB for what they save.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    spai::cli::main()
}
