//! PURE. The rules of an HTTP route, as far as the proxy can do them. What it cannot do is named, field by field, and the
//! rule answers 500: nothing is silently left out.

use gateway_api::experimental::httproutes::{
    HttpRouteRules, HttpRouteRulesBackendRefs, HttpRouteRulesMatches, HttpRouteRulesMatchesPath,
    HttpRouteRulesMatchesPathType,
};
use tidegate_config::{Path, PathMatch};

use super::backend::{Fault, backends};
use super::finding::wrong;
use crate::routing::{Backend, Backends, Failure};
use crate::world::World;

/// A rule's condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) path: PathMatch,
    /// Whether the rule asks for more than this path.
    pub(super) widened: bool,
}

/// A rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// When it applies; at least one.
    pub(super) matches: Vec<Match>,
    pub(super) backends: Backends,
    /// References that lead nowhere, by their place in `backendRefs`.
    pub(super) faults: Vec<(usize, Fault)>,
    /// The fields that cannot be done, each with what is allowed.
    pub(super) unsupported: Vec<String>,
}

/// Reads a rule of a route in `namespace`.
pub(super) fn read(world: &World, namespace: &str, rule: &HttpRouteRules) -> Rule {
    // A rule's name has no effect on requests.
    let HttpRouteRules { backend_refs, filters, matches, name: _, retry, session_persistence, timeouts } = rule;
    let mut unsupported = Vec::new();
    for (i, _) in filters.iter().flatten().enumerate() {
        unsupported.push(format!("filters[{i}] is not supported; allowed: none"));
    }
    for (field, asked) in [
        ("retry", retry.is_some()),
        ("sessionPersistence", session_persistence.is_some()),
        ("timeouts", timeouts.as_ref().is_some_and(|t| t.request.is_some() || t.backend_request.is_some())),
    ] {
        if asked {
            unsupported.push(format!("{field} is not supported; allowed: none"));
        }
    }
    let references: &[HttpRouteRulesBackendRefs] = backend_refs.as_deref().unwrap_or_default();
    for (i, reference) in references.iter().enumerate() {
        if reference.filters.as_ref().is_some_and(|filters| !filters.is_empty()) {
            unsupported.push(format!("backendRefs[{i}].filters is not supported; allowed: none"));
        }
    }
    let none = [HttpRouteRulesMatches::default()];
    let matches: &[HttpRouteRulesMatches] = matches.as_deref().filter(|matches| !matches.is_empty()).unwrap_or(&none);
    let matches =
        matches.iter().enumerate().map(|(i, written)| read_match(&format!("matches[{i}]"), written, &mut unsupported));
    let matches = matches.collect();
    let (backends, faults) = backends(world, namespace, references);
    let backends =
        if unsupported.is_empty() { backends } else { Backends::One(Backend::Failure(Failure::UnsupportedValue)) };
    Rule { matches, backends, faults, unsupported }
}

fn read_match(at: &str, written: &HttpRouteRulesMatches, unsupported: &mut Vec<String>) -> Match {
    let HttpRouteRulesMatches { headers, method, path, query_params } = written;
    let before = unsupported.len();
    for (field, asked) in [
        ("headers", headers.as_ref().is_some_and(|headers| !headers.is_empty())),
        ("method", method.is_some()),
        ("queryParams", query_params.as_ref().is_some_and(|parameters| !parameters.is_empty())),
    ] {
        if asked {
            unsupported.push(format!("{at}.{field} is not supported; allowed: path"));
        }
    }
    let path = read_path(path.as_ref()).unwrap_or_else(|wrong| {
        unsupported.push(format!("{at}.path.{wrong}"));
        PathMatch::default()
    });
    Match { path, widened: unsupported.len() > before }
}

fn read_path(written: Option<&HttpRouteRulesMatchesPath>) -> Result<PathMatch, String> {
    let value = written.and_then(|written| written.value.as_deref()).unwrap_or("/");
    let path = || value.parse::<Path>().map_err(|error| format!("value: {}", wrong(&error)));
    match written.and_then(|written| written.r#type.as_ref()) {
        None | Some(HttpRouteRulesMatchesPathType::PathPrefix) => Ok(PathMatch::Prefix(path()?)),
        Some(HttpRouteRulesMatchesPathType::Exact) => Ok(PathMatch::Exact(path()?)),
        Some(HttpRouteRulesMatchesPathType::RegularExpression) => {
            Err("type: RegularExpression is not supported; allowed: Exact, PathPrefix".to_owned())
        }
    }
}
