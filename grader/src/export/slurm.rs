//! Slurm: a job array over a folder of submissions, and a job after it that sums up.

use super::package::{Made, Package};

pub(super) fn files(package: &Package<'_>) -> Vec<Made> {
    vec![
        package.script("submit.sh", include_str!("templates/slurm-submit.sh")),
        package.script("array.sbatch", include_str!("templates/slurm-array.sbatch")),
        package.script(
            "summary.sbatch",
            include_str!("templates/slurm-summary.sbatch"),
        ),
        package.script("install.sh", include_str!("templates/install.sh")),
        package.tree(),
    ]
}
