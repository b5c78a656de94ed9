//! Under which names calls to MCP servers are counted: those of tools that rules and policies name. What a call does is not known here.

use std::rc::Rc;

use crate::access::mcp::call::TOOLS_CALL;
use crate::access::mcp::calls::Listed;
use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::Test;
use crate::access::route::Rules;

/// The most names: each is at most five counters.
const MOST: usize = 64;

/// The tools that rules and policies name, each once, in their order: names, and patterns for names. Of more than 64, calls of the others
/// are counted as those of tools without a name are.
pub(crate) fn counted_tools(rules: &Rules, policies: &[(String, Condition)]) -> Vec<Rc<str>> {
    let mut tools: Vec<Rc<str>> = Vec::new();
    let mut add = |listed: &Listed| {
        if let (TOOLS_CALL, Some(name)) = (listed.method.as_str(), &listed.name)
            && tools.len() < MOST
            && !tools.iter().any(|tool| **tool == **name)
        {
            tools.push(name.as_str().into());
        }
    };
    let conditions = policies.iter().map(|(_, policy)| policy);
    for rule in rules.all() {
        rule.matches.calls.iter().flat_map(|calls| &calls.listed).for_each(&mut add);
        if let Requirement::When(condition) = &rule.require {
            of_condition(condition, &mut add);
        }
    }
    conditions.for_each(|condition| of_condition(condition, &mut add));
    tools
}

fn of_condition(condition: &Condition, add: &mut impl FnMut(&Listed)) {
    for test in condition.tests() {
        match test {
            Test::Calls(calls) => calls.listed.iter().for_each(&mut *add),
            Test::ScopesOfCalls(scopes) => scopes.0.iter().for_each(|(listed, _)| add(listed)),
            _ => {}
        }
    }
}
