//! `docs/gateway-api.md` against the program.

use super::manifests::world;
use super::report::{check, compiled, only};
use crate::gateway::{Parameters, infrastructure, ports};

const DOCUMENT: &str = include_str!("../../../../../docs/gateway-api.md");

/// The cells of the table under these headings, without their backquotes.
fn rows(headings: &str) -> Vec<Vec<String>> {
    let table = DOCUMENT.lines().skip_while(|line| *line != headings).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    table.map(cells).collect()
}

fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// The first Gateway of the document, with a rule or parameters of its own.
fn blocks() -> Vec<&'static str> {
    DOCUMENT.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

#[test]
fn examples_are_served() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 2);
    check(
        "the first example",
        blocks[0],
        &[
            "class tidegate Accepted=True/Accepted",
            "gateway web Programmed=True/Programmed",
            "route infra/shop at web Accepted=True/Accepted",
            "route infra/shop at web ResolvedRefs=True/ResolvedRefs",
            "get web 80 shop.example.com /: infra/v1",
        ],
    );
    check("the second example", blocks[1], &["gateway inside Programmed=True/Programmed"]);
    let compiled = compiled(&world(blocks[1]));
    assert_eq!(only(&compiled).parameters.as_ref().map(|parameters| parameters.replicas), Some(3));
}

#[test]
fn every_parameter_is_in_its_row() {
    let rows = rows("| Key | Default | Example | Meaning |");
    let parameters = |key: &str, value: &str| {
        let map = format!("replicas: \"3\"\n  {key}: \"{value}\"").replace("replicas: \"3\"\n  replicas", "replicas");
        let manifests = blocks()[1].replace("serviceType: ClusterIP\n  replicas: \"3\"", &map);
        only(&compiled(&world(&manifests))).parameters.clone()
    };
    let base = Parameters { replicas: 3, ..Parameters::default() };
    for row in &rows {
        let (key, default, example) = (plain(&row[0]), &row[1], plain(&row[2]));
        let changed = parameters(key, example).unwrap_or_else(|| panic!("{key}: {example} is refused"));
        assert!(key == "replicas" || changed != base, "{key}: {example} changes nothing");
        if default.starts_with('`') {
            let same = Parameters { replicas: base.replicas, ..parameters(key, plain(default)).unwrap() };
            assert_eq!(same, base, "{key}: {default} is not the default");
        }
    }
    // The message about a key that is not known names all that are.
    let manifests = blocks()[1].replace("serviceType", "service-type");
    let message = only(&compiled(&world(&manifests))).accepted.message.clone();
    let known: Vec<&str> = message.rsplit("allowed: ").next().unwrap().split(", ").collect();
    assert_eq!(rows.iter().map(|row| plain(&row[0])).collect::<Vec<_>>(), known);
    assert_eq!(rows[2][1], format!("`{}`", Parameters::default().replicas));
}

#[test]
fn fields_are_as_the_table_says() {
    let rows = rows("| Field of an HTTPRoute | Here |");
    let samples = [
        "sectionName: http",
        "",
        "path: {type: Exact, value: /x}",
        "path: {type: RegularExpression, value: /x}",
        "headers: [{name: a, value: b}]",
        "weight: 2",
        "port: 8081",
        "filters: [{type: CORS}]",
        "retry: {attempts: 1}",
    ];
    assert_eq!(rows.len(), samples.len());
    for (row, sample) in rows.iter().zip(samples) {
        let first = blocks()[0];
        let backend = "backendRefs: [{ name: v1, port: 8080 }]";
        let manifests = match sample.split(':').next().unwrap_or_default() {
            "sectionName" => first.replace("[{ name: web }]", &format!("[{{ name: web, {sample} }}]")),
            "path" | "headers" => first.replace(backend, &format!("{backend}\n      matches: [{{ {sample} }}]")),
            "weight" => first.replace("port: 8080", &format!("port: 8080, {sample}")),
            "port" => first.replace("port: 8080", sample),
            "filters" | "retry" => first.replace(backend, &format!("{backend}\n      {sample}")),
            _ => first.to_owned(),
        };
        let world = world(&manifests);
        let found = compiled(&world).http_routes.into_values().next().unwrap();
        let good = found[0].findings.iter().all(|finding| finding.holds);
        assert_eq!(if good { "yes" } else { "no" }, row[1], "{} with {sample}", row[0]);
    }
}

#[test]
fn names_and_ports_are_as_written() {
    let socket = ports::socket(80);
    for said in [
        format!("plus {}", crate::gateway::UNPRIVILEGED),
        format!("becomes {socket}"),
        format!("port {}", crate::gateway::ADMIN_PORT),
        format!("called `{}`", infrastructure::object_name("web")),
    ] {
        assert!(DOCUMENT.replace('\n', " ").contains(&said), "{said}");
    }
}
