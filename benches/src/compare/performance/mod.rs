pub(crate) const HELP: &str = "";
pub(crate) fn parse(_: &[String]) -> Result<Option<()>, String> {
    Ok(None)
}
pub(crate) fn run(_: &()) -> Result<std::process::ExitCode, String> {
    Err("".into())
}
