//! Azure's connection strings, which hold an account, its key and its place in one value.

use zeroize::Zeroizing;

/// The variables that a connection string stands for. What it does not understand it passes over: the
/// store then says what is missing.
pub(super) fn parts(whole: &str) -> Vec<(&'static str, Zeroizing<String>)> {
    let member = |wanted: &str| {
        let mut members = whole.split(';').filter_map(|member| member.split_once('='));
        let found = members.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let mut parts = Vec::new();
    let mut add = |name, value: &str| parts.push((name, Zeroizing::new(value.to_owned())));
    if member("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        add("AZURE_STORAGE_USE_EMULATOR", "true");
    }
    let names = [
        ("AccountName", "AZURE_STORAGE_ACCOUNT_NAME"),
        ("AccountKey", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("SharedAccessSignature", "AZURE_STORAGE_SAS_TOKEN"),
        ("BlobEndpoint", "AZURE_STORAGE_ENDPOINT"),
    ];
    for (theirs, ours) in names {
        if let Some(value) = member(theirs) {
            add(ours, value);
        }
    }
    let suffix = member("EndpointSuffix").filter(|suffix| *suffix != "core.windows.net");
    if let (Some(account), Some(suffix), None) =
        (member("AccountName"), suffix, member("BlobEndpoint"))
    {
        let scheme = member("DefaultEndpointsProtocol").unwrap_or("https");
        add("AZURE_STORAGE_ENDPOINT", &format!("{scheme}://{account}.blob.{suffix}"));
    }
    parts
}
