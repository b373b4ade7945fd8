//! One script from its seed, and the shortest script that breaks the promise in the same way.

use std::fmt::Write as _;

use super::bridge::Planted;
use super::oracle::Breach;
use super::pool::Pool;
use super::rows::Rows;
use super::script::Action;
use super::world::World;

/// Things that happen in a script before everything heals: at least so many, and up to so many more.
const LEAST_STEPS: usize = 200;
const MORE_STEPS: usize = 100;

/// How a script ended.
#[derive(Debug)]
pub struct Ran {
    /// Things that happened, without those in which it came to rest.
    pub steps: usize,
    pub rows: Rows,
    pub breach: Option<(Breach, String)>,
}

/// Runs the script of a seed.
pub fn run(pool: &Pool, seed: u64, planted: Option<Planted>) -> Ran {
    let mut world = World::new(pool, planted);
    play(&mut world, seed, |_| {});
    end(world)
}

fn play(world: &mut World<'_>, seed: u64, mut note: impl FnMut(Action)) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let steps = LEAST_STEPS + rng.usize(..=MORE_STEPS);
    while world.steps < steps && world.oracle.breach().is_none() {
        let action = Action::draw(&mut rng);
        if world.step(action) {
            note(action);
        }
    }
}

fn end(mut world: World<'_>) -> Ran {
    let steps = world.steps;
    if world.oracle.breach().is_none() {
        world.settle();
    }
    Ran { steps, rows: world.rows, breach: world.oracle.breach().cloned() }
}

/// Runs a script that is given.
fn replay(pool: &Pool, script: &[Action], planted: Option<Planted>) -> Ran {
    let mut world = World::new(pool, planted);
    for action in script {
        if world.oracle.breach().is_some() {
            break;
        }
        world.step(*action);
    }
    end(world)
}

/// What to print about a seed that broke the promise: the breach, and a script
/// of which no part can be left out.
pub fn explain(pool: &Pool, seed: u64, planted: Option<Planted>) -> String {
    let mut script = Vec::new();
    let mut world = World::new(pool, planted);
    play(&mut world, seed, |action| script.push(action));
    let Some((breach, _)) = end(world).breach else {
        return format!("seed {seed} breaks nothing");
    };
    let script = shrink(pool, script, planted, breach);
    let of = replay(pool, &script, planted).breach.map_or_else(String::new, |(_, of)| of);
    let mut text = format!("seed {seed}: {breach:?} of {of}; {} steps show it:\n", script.len());
    for action in &script {
        writeln!(text, "    {action}").expect("writing to a String does not fail");
    }
    text
}

/// Leaves out what is not needed for the same breach: halves first, then smaller parts.
fn shrink(
    pool: &Pool,
    mut script: Vec<Action>,
    planted: Option<Planted>,
    breach: Breach,
) -> Vec<Action> {
    let is_same = |script: &[Action]| {
        replay(pool, script, planted).breach.is_some_and(|(found, _)| found == breach)
    };
    let mut part = script.len().div_ceil(2);
    loop {
        let before = script.len();
        let mut at = 0;
        while at < script.len() {
            let mut shorter = script.clone();
            shorter.drain(at..script.len().min(at + part));
            if is_same(&shorter) {
                script = shorter;
            } else {
                at += part;
            }
        }
        if part == 1 && script.len() == before {
            return script;
        }
        part = part.div_ceil(2);
    }
}
