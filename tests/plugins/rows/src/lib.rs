//! Reads the table `measured` and touches each value. The same is done natively beside it; the sums have to agree.

use hostler_sdk::prelude::*;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {}

async fn run(context: Context, _: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let mut stream = database.query("SELECT id, price, name, sold FROM public.measured", &[]).await?;
    let (mut rows, mut ids, mut prices, mut letters, mut sold) = (0_usize, 0_i64, 0.0_f64, 0_usize, 0_usize);
    let missing = || TaskError::new("a column has another type");
    while let Some(batch) = stream.next().await? {
        rows += batch.len();
        ids += batch.column("id")?.int64s().ok_or_else(missing)?.iter().sum::<i64>();
        prices += batch.column("price")?.float64s().ok_or_else(missing)?.iter().sum::<f64>();
        letters += batch.column("name")?.slices().map(|name| name.len()).sum::<usize>();
        sold += batch.column("sold")?.booleans().ok_or_else(missing)?.iter().filter(|sold| **sold).count();
    }
    Ok(format!("{rows} rows, {ids}, {prices}, {letters}, {sold}"))
}
