//! The `authd` binary: everything is in the library, so that tests run it without a process.

#[global_allocator]
static ALLOCATOR: authd::Allocator = authd::ALLOCATOR;

fn main() -> std::process::ExitCode {
    authd::cli::main()
}
