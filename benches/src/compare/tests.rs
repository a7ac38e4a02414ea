use std::collections::BTreeMap;

use super::{Measured, Measures, Options, read_bytes, table};
use crate::{
    corpus::{Edits, Spec},
    measure::Sample,
    tool::{Step, Tool},
};

fn measured(wall_s: f64) -> Measured {
    let sample = Sample { wall_s, cpu_s: 2.0 * wall_s, peak_mib: 100.0 };
    Measured { sample, repository_mib: 50.0 }
}

#[test]
fn the_table_has_medians_and_ratios() {
    let versions =
        BTreeMap::from([(Tool::Lifeboat, "lifeboat 1".into()), (Tool::Borg, "borg 2".into())]);
    let measures = Measures::from([
        ((Step::Full, Tool::Lifeboat), vec![measured(2.0), measured(9.0), measured(1.0)]),
        ((Step::Full, Tool::Borg), vec![measured(5.0)]),
    ]);
    let spec = Spec { seed: 1, bytes: 1 << 30 };
    let options = Options { spec, tools: Tool::ALL.to_vec(), rounds: 3 };
    let text = table::render(&versions, &measures, &options, &Edits::default());
    assert!(text.contains("\n| full | lifeboat | 2.00 | | 4.00 | | 100 | | 50.00 | |\n"), "{text}");
    let borg = "\n| full | borg | 5.00 | 2.50 | 10.00 | 2.50 | 100 | 1.00 | 50.00 | 1.00 |\n";
    assert!(text.contains(borg), "{text}");
}

#[test]
fn the_report_is_the_last_document() {
    let report = "{\"event\":\"start\"}\n{\"stats\":{\"read_bytes\":12}}\n";
    assert_eq!(read_bytes(report), Some(12));
    assert_eq!(read_bytes("{\"stats\":{}}"), None);
    assert_eq!(read_bytes(""), None);
}
