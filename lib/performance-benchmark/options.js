// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const { checked } = require('./threshold.js')

/** @import * as types from '../performance-benchmark.js' */

/** The longest delay a timer takes, in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1

/**
 * The options a test runs with. No iterations and no warm-up are possible; nothing else can be 0.
 *
 * @param {types.BenchmarkTestOptions} options
 */
function testOptions(options) {
  const { iterations, warmupIterations, timeout, concurrency, time, warmup, threshold } = options
  if (warmup !== undefined && warmup !== 'fixed' && warmup !== 'steady') {
    throw args.invalidValue('warmup', "must be 'fixed' or 'steady'", warmup)
  }
  const limit = checked(threshold)
  return {
    iterations: args.integer('iterations', iterations ?? 100),
    warmupIterations: args.integer('warmupIterations', warmupIterations ?? 10),
    concurrency: args.integer('concurrency', concurrency || 1, 1),
    timeout: args.number('timeout', timeout || 30_000, 0, MAX_DELAY),
    ...(time && { time: args.number('time', time, 1, MAX_DELAY) }),
    ...(warmup && { warmup }),
    ...(limit < Infinity && { threshold: limit }),
  }
}

/** @typedef {ReturnType<typeof testOptions>} Settings */

/**
 * The options that matter, with their defaults: others may be of any kind, and not every kind can be written or sent.
 *
 * @param {types.BenchmarkOptions} options
 */
function settingsOf(options) {
  const { memoryProfiling, silent } = args.object('options', options)
  return {
    ...testOptions(options),
    memoryProfiling: Boolean(memoryProfiling),
    silent: Boolean(silent),
  }
}

/** @param {types.BenchmarkRunOptions} options */
function checkRunOptions(options) {
  const { signal, onProgress } = args.object('options', options)
  if (signal !== undefined) args.instance('signal', signal, AbortSignal)
  if (onProgress !== undefined) args.callback('onProgress', onProgress)
}

/** @param {types.BenchmarkSuite} suite */
function checkSuite(suite) {
  args.object('suite', suite)
  args.string('suite.name', suite.name)
  if (!Array.isArray(suite.tests)) {
    throw args.invalidType('suite.tests', 'an instance of Array', suite.tests)
  }
  checkHooks('suite', suite)
  checked(suite.threshold, 'suite.threshold')
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

module.exports = { checkRunOptions, checkSuite, settingsOf, testOptions }
