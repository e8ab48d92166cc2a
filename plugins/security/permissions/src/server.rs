//! A PostgreSQL server: its roles, its rules for clients, and in each database what everybody may.

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::{quote_identifier, quote_qualified};

use crate::right::Found;
use crate::{Settings, hba, roles, usage};

const DATABASES: &str = "
    SELECT datname::text AS name, has_database_privilege(oid, 'CONNECT') AS open,
        has_database_privilege('public', oid, 'CREATE') AS public_create
    FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1";

const SCHEMAS: &str = "
    SELECT nspname::text AS name FROM pg_namespace
    WHERE has_schema_privilege('public', oid, 'CREATE') AND nspname NOT LIKE 'pg\\_%' ORDER BY 1";

/// Functions whose body the server parsed when they were made (BEGIN ATOMIC) look up nothing later on.
const DEFINERS: &str = "
    SELECT n.nspname::text AS schema, p.proname::text AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
        pg_get_userbyid(p.proowner)::text AS owner, r.rolsuper AS owner_is_superuser,
        has_function_privilege('public', p.oid, 'EXECUTE') AS open
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prosqlbody IS NULL
        AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\\_path=%')
    ORDER BY 1, 2, 3";

pub(crate) async fn look(context: &Context, settings: &Settings, found: &mut Found) -> Result<(), TaskError> {
    let database = context.postgres("database").await?;
    let roles = roles::Role::all(&database).await?;
    for role in &roles {
        role.rights(database.info().version, found);
    }
    hba::look(&database, found).await?;
    usage::look(context, &database, &roles, settings).await?;
    let rows = database.query(DATABASES, &[]).await?.rows().await?;
    drop(database);
    let mut whole = true;
    for row in rows.iter() {
        let name: String = row.get("name")?;
        if row.get("public_create")? {
            let finding = finding!(
                Severity::Warning,
                "public-create",
                name.as_str(),
                "every role may make schemas in this database"
            );
            let remedy = format!("REVOKE CREATE ON DATABASE {} FROM PUBLIC;", quote_identifier(&name));
            found.fault(format!("postgres public-create {name}"), finding.remedy(remedy));
        }
        let looked = match row.get::<bool>("open")? {
            true => inside(&name, found).await,
            false => Err(TaskError::new("the role may not connect to it")
                .remedy(format!("GRANT CONNECT ON DATABASE {} TO the task's role;", quote_identifier(&name)))),
        };
        match looked {
            Ok(()) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                whole = false;
                error.finding("database-not-looked-at", &name).report();
            }
        }
    }
    if whole {
        found.whole("postgres");
    }
    Ok(())
}

/// One database.
async fn inside(name: &str, found: &mut Found) -> Result<(), TaskError> {
    let database = Database::open("database", None, Some(name)).await?;
    let schemas = database.query(SCHEMAS, &[]).await?.rows().await?;
    let definers = database.query(DEFINERS, &[]).await?.rows().await?;
    judge(name, &schemas, &definers, found)
}

pub(crate) fn judge(database: &str, schemas: &Rows, definers: &Rows, found: &mut Found) -> Result<(), TaskError> {
    for row in schemas.iter() {
        let schema: String = row.get("name")?;
        let subject = format!("{database}.{schema}");
        let remedy = format!("REVOKE CREATE ON SCHEMA {} FROM PUBLIC;    -- in {database}", quote_identifier(&schema));
        let finding =
            finding!(Severity::Warning, "public-create", subject.as_str(), "every role may create objects in it")
                .detail("A function or table that somebody puts there may be found before the one that is meant.")
                .remedy(remedy);
        found.fault(format!("postgres public-create {subject}"), finding);
    }
    for row in definers.iter() {
        let (schema, name): (String, String) = (row.get("schema")?, row.get("name")?);
        let (arguments, owner): (String, String) = (row.get("arguments")?, row.get("owner")?);
        let subject = format!("{database}.{schema}.{name}({arguments})");
        let rights = if row.get("owner_is_superuser")? { format!("the superuser {owner}") } else { owner };
        let callers = if row.get("open")? { "; every role may call it" } else { "" };
        let finding = finding!(
            Severity::Warning,
            "definer-search-path",
            subject.as_str(),
            "it runs with the rights of {rights} and looks up names where its caller's search_path says{callers}"
        )
        .detail("Whoever may create objects in a schema can have it run code of their own.")
        .remedy(format!(
            "ALTER ROUTINE {}({arguments}) SET search_path = pg_catalog, {}, pg_temp;    -- in {database}",
            quote_qualified(&schema, &name),
            quote_identifier(&schema)
        ));
        found.fault(format!("postgres definer {subject}"), finding);
    }
    Ok(())
}
