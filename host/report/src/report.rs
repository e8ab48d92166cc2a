//! The interface `report`.

use std::sync::Arc;

use hostler_capability::{
    Attachment, Binding, Capability, CapabilityError, Finding, Metric, ReportTable, RunContext, RunState, Severity, Slot,
};
use hostler_world::report as wit;
use wasmtime::component::{HasData, Linker};

use crate::{clean, keep::Room};

/// Links `report`.
pub struct ReportCapability;

/// Its part of one run.
pub struct ReportRun {
    context: Arc<RunContext>,
    room: Room,
}

impl HasData for ReportCapability {
    type Data<'a> = &'a mut ReportRun;
}

impl Capability for ReportCapability {
    fn interface(&self) -> &'static str {
        "report"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<ReportRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(ReportRun { context: context.clone(), room: Room::default() }))
    }
}

impl wit::Host for ReportRun {
    fn add_finding(&mut self, finding: wit::Finding) -> wasmtime::Result<()> {
        let finding = Finding {
            severity: finding.severity.into(),
            code: clean::line(&finding.code),
            subject: clean::line(&finding.subject),
            summary: clean::line(&finding.summary),
            detail: finding.detail.as_deref().map(clean::text),
            remedy: finding.remedy.as_deref().map(clean::text),
        };
        let bytes = finding.summary.len() + finding.subject.len() + finding.detail.as_ref().map_or(0, String::len);
        if self.room.take(&self.context, bytes, finding.severity) {
            self.context.reported(|reported| reported.findings.push(finding));
        }
        Ok(())
    }

    fn add_metric(&mut self, metric: wit::Metric) -> wasmtime::Result<()> {
        if !metric.value.is_finite() {
            self.context.trouble(format!("the metric {} is not a number", clean::name(&metric.name)));
            return Ok(());
        }
        let labels = metric.labels.iter().take(32).map(|(name, value)| (clean::name(name), clean::line(value)));
        let metric = Metric {
            name: clean::name(&metric.name),
            counter: metric.kind == wit::MetricKind::Counter,
            labels: labels.collect(),
            value: metric.value,
            unit: clean::line(&metric.unit),
            warning: metric.warning.as_deref().map(clean::line),
            critical: metric.critical.as_deref().map(clean::line),
        };
        let bytes = metric.name.len() + metric.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if self.room.take(&self.context, bytes, Severity::Ok) {
            self.context.reported(|reported| reported.metrics.push(metric));
        }
        Ok(())
    }

    fn add_table(&mut self, table: wit::Table) -> wasmtime::Result<()> {
        let columns: Vec<_> = table.columns.iter().take(64).map(|column| clean::line(column)).collect();
        let row = |row: &Vec<String>| {
            let mut cells: Vec<_> = row.iter().take(columns.len()).map(|cell| clean::line(cell)).collect();
            cells.resize(columns.len(), String::new());
            cells
        };
        let rows: Vec<Vec<String>> = table.rows.iter().map(row).collect();
        let bytes = rows.iter().flatten().map(String::len).sum();
        if self.room.take(&self.context, bytes, Severity::Ok) {
            let table = ReportTable { title: clean::line(&table.title), columns, rows };
            self.context.reported(|reported| reported.tables.push(table));
        }
        Ok(())
    }

    fn add_attachment(&mut self, attachment: wit::Attachment) -> wasmtime::Result<()> {
        if self.room.take(&self.context, attachment.content.len(), Severity::Ok) {
            let attachment = Attachment {
                name: clean::file_name(&attachment.name),
                media_type: clean::line(&attachment.media_type),
                content: attachment.content,
            };
            self.context.reported(|reported| reported.attachments.push(attachment));
        }
        Ok(())
    }

    fn set_progress(&mut self, done: u64, total: Option<u64>, message: String) -> wasmtime::Result<()> {
        if let Some(progress) = &self.context.progress {
            progress(done, total, &clean::line(&message));
        }
        Ok(())
    }
}
