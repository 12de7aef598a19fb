//! One condition: read, checked, evaluated.

use std::sync::Arc;

use cedar_policy::pst::{self, Clause, Expr};
use cedar_policy::{
    Entities, EntityUid, EvalResult, Expression, Policy, PolicySet, Request, ValidationMode,
    Validator, eval_expression,
};
use http::HeaderName;
use tollgate_gate::{Condition, Facts};
use tollgate_store::TimeZone;

use crate::place::{at, offset, told};
use crate::uses::{self, Uses, WAY_STEPS_MAX};
use crate::{context, schema};

/// How deep a condition's expressions may stand within each other: each `&&` of a chain is one deeper.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// What reading takes at most, as Cedar reads a text of the greatest length before its depth can be told.
const READING_STACK_BYTES: usize = 64 * 1024 * 1024;
/// Conditions up to that depth are evaluated where they are asked for; deeper ones, which are rare, with a stack of their own.
const SHALLOW_DEPTH_MAX: usize = 16;
const EVALUATING_STACK_BYTES: usize = 8 * 1024 * 1024;

const BEFORE: &str = "permit (principal, action, resource) when {\n";
const AFTER: &str = "\n};";

/// A condition that was read and found to be consistent.
#[derive(Debug)]
pub(crate) struct CedarCondition {
    expression: Expression,
    uses: Uses,
    time_zone: jiff::tz::TimeZone,
    /// Who asks, does and is asked, which conditions are not about: Cedar wants them.
    entities: [EntityUid; 3],
}

impl CedarCondition {
    pub(crate) fn read(text: &str, time_zone: Option<&TimeZone>) -> Result<Self, String> {
        // Whoever reads a store has less, and a deep text must not end the process.
        stacker::grow(READING_STACK_BYTES, || Self::read_here(text, time_zone))
    }

    fn read_here(text: &str, time_zone: Option<&TimeZone>) -> Result<Self, String> {
        if let Some(offset) = uses::long_way(text) {
            let message = format!("a way has at most {WAY_STEPS_MAX} steps, each after a dot");
            return Err(at(text, offset, &message));
        }
        // Alone first: what is a whole expression can't close the clause that it is put into next.
        let expression: Expression = text.parse().map_err(|errors| told(text, &errors, 0))?;
        let policy = Policy::parse(None, format!("{BEFORE}{text}{AFTER}"))
            .map_err(|errors| told(text, &errors, BEFORE.len()))?;
        let uses = Uses::of(&*body(&policy)?).map_err(|misuse| misuse.told(text))?;
        check(text, policy, &uses)?;
        let rules = time_zone.map(|zone| zone.rules().clone());
        Ok(Self {
            expression,
            uses,
            time_zone: rules.unwrap_or(jiff::tz::TimeZone::UTC),
            entities: schema::entities().ok_or("Cedar does not take its own names")?,
        })
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Result<bool, String> {
        let context = context::of(&self.uses, facts, &self.time_zone)?;
        let [principal, action, resource] = self.entities.clone();
        let request = Request::new(principal, action, resource, context, None)
            .map_err(|error| error.to_string())?;
        let evaluate = || {
            let evaluated = eval_expression(&request, &Entities::empty(), &self.expression);
            evaluated.map_err(|error| format!("it can't be told: {error}"))
        };
        let evaluated = if self.uses.depth > SHALLOW_DEPTH_MAX {
            stacker::grow(EVALUATING_STACK_BYTES, evaluate)
        } else {
            evaluate()
        };
        match evaluated? {
            EvalResult::Bool(is_met) => Ok(is_met),
            _ => Err("it is neither true nor false".to_owned()),
        }
    }
}

impl Condition for CedarCondition {
    fn is_met(&self, facts: &Facts<'_>) -> Result<bool, String> {
        self.evaluate(facts)
    }

    fn told(&self, facts: &Facts<'_>) -> Vec<String> {
        context::told(&self.uses, facts, &self.time_zone)
    }

    fn headers(&self) -> &[HeaderName] {
        &self.uses.headers
    }
}

/// What stands within `when { … }`.
fn body(policy: &Policy) -> Result<Arc<Expr>, String> {
    let parsed = policy.to_pst().map_err(|error| error.to_string())?;
    let clauses = match &parsed {
        pst::Policy::Static(policy) => policy.body().clauses().as_slice(),
        pst::Policy::Linked(_) => &[],
    };
    match clauses {
        [Clause::When(body)] => Ok(Arc::clone(body)),
        _ => Err("it must be one expression, as it stands within \"when { … }\"".to_owned()),
    }
}

/// Checks that it is about what there is, and never about what may be absent.
fn check(text: &str, policy: Policy, uses: &Uses) -> Result<(), String> {
    let schema = schema::of(uses)?;
    let mut policies = PolicySet::new();
    policies.add(policy).map_err(|error| error.to_string())?;
    let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
    let first = result
        .validation_errors()
        .min_by_key(|error| offset(*error));
    if let Some(error) = first {
        return Err(told(text, error, BEFORE.len()));
    }
    let is_impossible = |warning: &&cedar_policy::ValidationWarning| {
        matches!(
            warning,
            cedar_policy::ValidationWarning::ImpossiblePolicy(_)
        )
    };
    match result.validation_warnings().find(is_impossible) {
        Some(_) => Err(at(text, 0, "no request can meet it")),
        None => Ok(()),
    }
}
