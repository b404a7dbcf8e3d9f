//! Which of GitHub's budgets a request counts against, as far as its path tells beforehand. The answer names the budget
//! too, and has the last word.

/// Calls that say what is left, and cost nothing themselves.
pub const RATE_LIMIT: &str = "rate_limit";
pub const CORE: &str = "core";

/// The name of the budget, as in `x-ratelimit-resource`. `path` is that of the URL, with what stands before the API's own
/// (`/api/v3` on GitHub Enterprise Server).
pub fn of(path: &str) -> &'static str {
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match *segments.as_slice() {
        ["rate_limit"] => RATE_LIMIT,
        ["search", "code", ..] => "code_search",
        ["search", ..] => "search",
        ["graphql"] | ["api", "graphql"] => "graphql",
        ["app-manifests", _, "conversions"] => "integration_manifest",
        ["repos", _, _, "code-scanning", "sarifs"] => "code_scanning_upload",
        ["repos", _, _, "dependency-graph", "snapshots"] => "dependency_snapshots",
        ["repos", _, _, "dependency-graph", "sbom"] => "dependency_sbom",
        ["scim", ..] => "scim",
        ["orgs" | "enterprises", _, "audit-log"] => "audit_log",
        _ => CORE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_the_budget() {
        for (path, expected) in [
            ("/rate_limit", RATE_LIMIT),
            ("/search/issues", "search"),
            ("/search/code", "code_search"),
            ("/api/v3/search/users", "search"),
            ("/api/graphql", "graphql"),
            ("/repos/o/search/contents/", CORE),
            ("/", CORE),
            ("", CORE),
        ] {
            assert_eq!(of(path), expected, "{path}");
        }
    }
}
