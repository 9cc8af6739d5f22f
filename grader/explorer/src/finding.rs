//! What exploring a scene comes to: whether a rule is broken, which one, and the shortest way there.

use crate::code::Code;
use crate::machine::Step;
use crate::report;
use crate::scenes::Named;
use crate::script::{self, About};
use crate::search::{Found, sample, shortest, verify};
use crate::story::{Story, retell};
use crate::violation::Violation;

/// How many states are looked at in one scene, unless somebody says otherwise.
pub const LIMIT: usize = 20_000_000;

/// How many states are looked at for a shorter way to what was found.
const SHORTENED: usize = 2_000_000;

/// How a story is drawn.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// In so many columns.
    pub width: usize,
    /// With ASCII only.
    pub ascii: bool,
}

impl Default for View {
    fn default() -> Self {
        View {
            width: 80,
            ascii: false,
        }
    }
}

/// What exploring a scene came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How many states were looked at; of a sample, how many steps were taken.
    pub states: usize,
    /// Whether those are all.
    pub complete: bool,
    /// What is broken.
    pub broken: Option<Broken>,
}

/// A rule that is broken.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The invariant, 1 to 20, if it is one.
    pub invariant: Option<u8>,
    /// The rule that it states.
    pub rule: &'static str,
    /// What came about.
    pub violation: String,
    /// What led to it, if that is known.
    pub words: Option<String>,
    /// What happened.
    pub story: Story,
    /// The same, as lanes and line by line.
    pub lanes: String,
    /// The way there.
    pub steps: Vec<Step>,
}

impl Broken {
    /// A script of the kernel's shell that goes the same way; `machine` are the options with which the kit runs the kernel
    /// with the same code in it.
    ///
    /// # Errors
    /// A sentence: what no script can bring about, and why.
    pub fn script(&self, scene: &Named, machine: &str) -> Result<String, String> {
        let Some(violation) = &self.story.violation else {
            return Err("it does not come about again: there is nothing to follow".into());
        };
        script::script(&About {
            scene,
            story: &self.story,
            violation,
            invariant: self.invariant.unwrap_or(0),
            machine,
        })
    }
}

/// Explores `scene`: looks at every state up to `limit`, or tries `runs` schedules drawn from a seed.
pub fn explored(
    code: &dyn Code,
    scene: &Named,
    limit: usize,
    runs: Option<(usize, u64)>,
    view: View,
) -> Explored {
    let outcome = match runs {
        Some((runs, seed)) => sample(code, &scene.scene, runs, seed),
        None => verify(code, &scene.scene, limit),
    };
    let broken = outcome.found.map(|found| {
        let found = shorter(code, scene, limit, found);
        let story = retell(code, &scene.scene, &found.steps).unwrap_or_default();
        broken(&story, &found.violation, &found.steps, view)
    });
    Explored {
        states: outcome.states,
        complete: outcome.complete,
        broken,
    }
}

/// The first way found is a long one. Code that is silent is asked nothing more.
fn shorter(code: &dyn Code, scene: &Named, limit: usize, found: Found) -> Found {
    if let Violation::Silent { .. } = found.violation {
        return found;
    }
    // Of a large scene, as far as there is room for.
    let short = shortest(code, &scene.scene, limit.min(SHORTENED));
    short.found.unwrap_or(found)
}

/// What is told of a story that ends badly.
pub(crate) fn broken(story: &Story, violation: &Violation, steps: &[Step], view: View) -> Broken {
    let verdict = report::verdict(story, violation);
    Broken {
        invariant: (verdict.invariant != 0).then_some(verdict.invariant),
        rule: report::rule(verdict.invariant),
        violation: violation.to_string(),
        words: verdict.words,
        story: story.clone(),
        lanes: report::text(story, view.width, view.ascii),
        steps: steps.to_vec(),
    }
}
