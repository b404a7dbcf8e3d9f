// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../performance-benchmark.js' */

/**
 * The options a test runs with. No iterations and no warm-up are possible; nothing else can be 0.
 *
 * @param {types.BenchmarkTestOptions} options
 * @returns {Required<types.BenchmarkTestOptions>}
 */
function testOptions({ iterations, warmupIterations, timeout, concurrency }) {
  return {
    iterations: args.integer('iterations', iterations ?? 100),
    warmupIterations: args.integer('warmupIterations', warmupIterations ?? 10),
    concurrency: args.integer('concurrency', concurrency || 1, 1),
    timeout: args.number('timeout', timeout || 30_000, 0, 2 ** 31 - 1),
  }
}

/** @param {types.BenchmarkSuite} suite */
function checkSuite(suite) {
  args.object('suite', suite)
  args.string('suite.name', suite.name)
  if (!Array.isArray(suite.tests)) {
    throw args.invalidType('suite.tests', 'an instance of Array', suite.tests)
  }
  checkHooks('suite', suite)
  suite.tests.forEach((test, index) => {
    const name = `suite.tests[${index}]`
    args.object(name, test)
    args.string(`${name}.name`, test.name)
    args.callback(`${name}.fn`, test.fn)
    checkHooks(name, test)
    testOptions(test)
  })
}

/**
 * @param {string} name
 * @param {types.BenchmarkHooks} hooks
 */
function checkHooks(name, { setup, teardown }) {
  if (setup !== undefined) args.callback(`${name}.setup`, setup)
  if (teardown !== undefined) args.callback(`${name}.teardown`, teardown)
}

module.exports = { checkSuite, testOptions }
