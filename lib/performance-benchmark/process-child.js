// @ts-check
'use strict'

// The child's side of process-runs.js: imports a file, runs its suites, and sends their results.

const { pathToFileURL } = require('node:url')
const { PerformanceBenchmark } = require('./benchmark.js')
const { messageOf } = require('./measure.js')

/** @import * as types from '../performance-benchmark.js' */

const tell = process.send?.bind(process)

/** @param {object} message */
const send = (message) => tell?.(message)

// A suite that finds itself in a child process may want to talk to its parent, which would not understand it.
process.send = undefined

process.once('message', async (/** @type {any} */ { file, options }) => {
  try {
    const benchmark = new PerformanceBenchmark(options)
    for (const suite of suitesOf(await import(pathToFileURL(file).href), file)) {
      await benchmark.run(suite, { onProgress: (progress) => send({ progress }) })
    }
    send({ results: benchmark.results })
  } catch (error) {
    // What was thrown may be of any class, and not every class can be sent.
    const { stack, code } = /** @type {any} */ (error ?? {})
    const texts = Object.entries({ stack, code }).filter(([, value]) => typeof value === 'string')
    send({ error: { message: messageOf(error), ...Object.fromEntries(texts) } })
  }
})
process.on('disconnect', () => process.exit())

/**
 * The suites a module exports: as its default, as `suites`, or each by a name of its own.
 *
 * @param {any} module
 * @param {string} file
 * @returns {types.BenchmarkSuite[]}
 */
function suitesOf(module, file) {
  const exported = module.default ?? module
  const single = Array.isArray(exported.tests) || Array.isArray(exported)
  const found = single ? [exported].flat() : (exported.suites ?? Object.values(exported))
  if (
    found.length === 0 ||
    !found.every((/** @type {any} */ suite) => Array.isArray(suite?.tests))
  ) {
    const error = new Error(
      `${file} exports no benchmark suite, which is { name, tests }: export one, or a list of them`,
    )
    throw Object.assign(error, { code: 'ERR_AIWF_NO_SUITE' })
  }
  return found
}
