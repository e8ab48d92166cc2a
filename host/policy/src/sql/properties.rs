//! Properties of the policy as a whole.

use proptest::prelude::*;

use super::pattern::written;
use super::statement::Statement;
use super::tree::{Node, Value};
use super::{PostgresGrant, Refusal, pattern_covers, pattern_matches};

/// Functions that nothing may call, and one that nobody granted.
const REFUSED: [&str; 12] = [
    "set_config",
    "pg_catalog.set_config",
    "\"pg_terminate_backend\"",
    "LO_CREATE",
    "U&\"pg_re\\0061d_file\"",
    "table_to_xml",
    "pg_sleep",
    "pg_advisory_lock",
    "nextval",
    "current_setting",
    "public.anything",
    "pg_reload_conf",
];

/// Places in which an expression can stand, `@` being the expression. Each is itself an expression.
const EXPRESSIONS: [&str; 34] = [
    "(@)",
    "(@ IS NULL)",
    "(1 + @)",
    "(NOT @)",
    "CASE WHEN true THEN @ ELSE 1 END",
    "CASE @ WHEN 1 THEN 2 END",
    "COALESCE(NULL, @)",
    "GREATEST(1, @)",
    "ARRAY[1, @]",
    "(ARRAY[1])[@]",
    "(ROW(1, @)).f1",
    "CAST(@ AS text)",
    "(@)::int",
    "(SELECT @)",
    "(SELECT 1 WHERE @)",
    "EXISTS (SELECT FROM pg_class ORDER BY @)",
    "(1 IN (2, @))",
    "(@ = ANY (ARRAY[1]))",
    "(1 = ALL (SELECT @))",
    "(@ BETWEEN 1 AND 2)",
    "(@ COLLATE \"C\")",
    "(@ AT TIME ZONE 'UTC')",
    "EXTRACT(year FROM @)",
    "count(*) FILTER (WHERE @)",
    "sum(1) OVER (PARTITION BY @)",
    "array_agg(1 ORDER BY @)",
    "(SELECT * FROM generate_series(1, @))",
    "(SELECT 1 FROM ROWS FROM (unnest(@), unnest(@)))",
    "(WITH a AS (SELECT @) SELECT 1 FROM a)",
    "(SELECT 1 FROM pg_class a JOIN pg_class b ON @)",
    "XMLELEMENT(NAME a, @)",
    "JSON_OBJECT('a': @)",
    "(SELECT DISTINCT ON (@) 1)",
    "(VALUES (1), (@))",
];

fn grant() -> PostgresGrant {
    PostgresGrant {
        read: vec!["public.t".into()],
        write: vec!["public.*".into()],
        statements: ["INSERT", "UPDATE", "DELETE", "CREATE TABLE", "CREATE INDEX"].map(Into::into).into(),
        ..PostgresGrant::default()
    }
}

/// A statement with `expression` inside, changing ones among them.
fn statements(expression: &str) -> Vec<String> {
    vec![
        format!("SELECT {expression}"),
        format!("SELECT 1 FROM public.t WHERE {expression}"),
        format!("INSERT INTO public.t VALUES ({expression})"),
        format!("UPDATE public.t SET a = {expression}"),
        format!("DELETE FROM public.t WHERE {expression}"),
        format!("CREATE TABLE public.x (a int DEFAULT ({expression}))"),
        format!("CREATE TABLE public.x AS SELECT {expression}"),
        format!("CREATE INDEX ON public.t (({expression}))"),
    ]
}

fn nested() -> impl Strategy<Value = (String, String)> {
    let places = proptest::collection::vec(0..EXPRESSIONS.len(), 0..5);
    (places, 0..REFUSED.len()).prop_map(|(places, function)| {
        let build = |innermost: &str| {
            places.iter().fold(innermost.to_owned(), |inner, place| EXPRESSIONS[*place].replace('@', &inner))
        };
        (build("1"), build(&format!("{}('a', $1)", REFUSED[function])))
    })
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), Just("pg_catalog".to_owned()), "[ab*]{1,4}", "pg_[a*]{0,2}", "[ab.\"A*]{1,3}"]
}

/// Without positions, which the text around a statement moves.
fn without_places(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::List(list.iter().map(without_places).collect()),
        Value::Node(node) => {
            let place = |field: &str| field.contains("location") || field.contains("_start") || field.contains("_end");
            let fields = node.fields.iter().filter(|(field, _)| !place(field));
            Value::Node(Node {
                kind: node.kind,
                fields: fields.map(|(field, value)| (*field, without_places(value))).collect(),
            })
        }
        value => value.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged(sql in "\\PC{0,80}") {
        let _ = grant().query(&sql);
        let _ = grant().execute(&sql);
        let _ = grant().setting(&sql, &sql);
        let _ = pattern_covers(&sql, &sql);
    }

    #[test]
    fn any_words_are_judged(words in proptest::collection::vec(prop_oneof![
        Just("SELECT"), Just("FROM"), Just("WITH"), Just("a"), Just("AS"), Just("("), Just(")"), Just(","), Just("pg_class"),
        Just("DROP"), Just("TABLE"), Just("FUNCTION"), Just("ALTER"), Just("CREATE"), Just("*"), Just("."), Just("'x'"),
        Just(";"), Just("--"), Just("/*"), Just("*/"), Just("$$"), Just("E'\\'"), Just("VACUUM"), Just("public.t"), Just("1"),
    ], 0..14)) {
        let sql = words.join(" ");
        let _ = grant().query(&sql);
        let _ = grant().execute(&sql);
    }

    #[test]
    fn a_refused_function_is_refused_wherever_it_hides((harmless, hidden) in nested()) {
        for (harmless, hidden) in statements(&harmless).iter().zip(statements(&hidden)) {
            let judge = |sql: &str| match sql.starts_with("SELECT") {
                true => grant().query(sql).map(drop),
                false => grant().execute(sql).map(drop),
            };
            prop_assert_eq!(judge(harmless), Ok(()), "{}", harmless);
            let refusal = judge(&hidden).err().map(|refusal| refusal.rule());
            let refused = refusal.is_some_and(|rule| rule != Refusal::Unparsable.rule());
            prop_assert!(refused, "{}", hidden);
        }
    }

    #[test]
    fn an_allowed_text_means_the_same_when_it_is_wrapped((harmless, _) in nested(), tail in "( |;|--x|/\\*y\\*/|\n){0,4}") {
        let allowed = grant().query(&format!("SELECT {harmless}{tail}"));
        let Ok(allowed) = allowed else { return Ok(()) };
        let wrapped = Statement::read(&format!("SELECT * FROM (\n{}\n) AS q", allowed.text)).unwrap();
        let alone = Statement::read(&allowed.text).unwrap();
        let [Value::Node(range)] = wrapped.root.list("from_clause") else { panic!("{:?}", wrapped.root) };
        prop_assert_eq!(range.kind, "RangeSubselect");
        prop_assert_eq!(without_places(range.field("subquery")), without_places(&Value::Node(alone.root)));
    }

    #[test]
    fn covering_and_matching_agree(outer in (part(), part()), inner in (part(), part()), name in ("[ab]{1,4}", "[ab]{1,4}")) {
        let (outer, inner) = (format!("{}.{}", outer.0, outer.1), format!("{}.{}", inner.0, inner.1));
        let name = format!("{}.{}", name.0, name.1);
        if pattern_covers(&outer, &inner) && pattern_matches(&inner, &name) {
            prop_assert!(pattern_matches(&outer, &name), "{outer} covers {inner}, which matches {name}");
        }
        // A name without stars is a pattern too.
        prop_assert_eq!(pattern_matches(&outer, &name), pattern_covers(&outer, &name));
    }

    #[test]
    fn a_written_name_is_itself_and_nothing_else(one in "\\PC{1,6}", two in "\\PC{1,6}", other in "\\PC{1,6}") {
        let name = written(&[&one, &two]);
        prop_assert!(pattern_matches(&name, &name));
        let all_in_one = format!("{one}.{two}");
        prop_assert!(!pattern_matches(&name, &written(&[&all_in_one])));
        if other != two {
            prop_assert!(!pattern_matches(&name, &written(&[&one, &other])));
        }
    }

    #[test]
    fn a_star_never_reaches_the_system(schema in "(pg_[a-z]{1,8}|information_schema)", name in "[a-z_]{1,8}") {
        let name = format!("{schema}.{name}");
        prop_assert!(!pattern_matches("*.*", &name) && !pattern_matches("pg_*.*", &name));
        let schema_spelled_out = format!("{schema}.*");
        prop_assert!(pattern_matches(&schema_spelled_out, &name));
        prop_assert!(!pattern_covers("*.*", &schema_spelled_out));
    }
}
