//! The `authd` binary: everything is in the library, so that tests run it without a process.

fn main() -> std::process::ExitCode {
    authd::cli::main()
}
