// @ts-check
// The limit a test's average has to keep, and what says so when it does not.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'
import { workspace } from './support/workspace.mjs'

/** @import * as types from '../lib/performance-benchmark.js' */

const require = createRequire(import.meta.url)
const options = { silent: true, warmupIterations: 0, iterations: 3 }
const HOUR = 3_600_000

/** Takes longer than no time at all, whatever is subtracted for the clock. */
const fn = () => JSON.parse(JSON.stringify(Array.from({ length: 10_000 }, (_, index) => index)))

const fail = () => {
  throw new Error('no luck')
}

/** @param {types.BenchmarkOptions} own @param {Partial<types.BenchmarkSuite>} suite */
async function run(own, suite) {
  const benchmark = new PerformanceBenchmark({ ...options, ...own })
  const tests = suite.tests ?? [{ name: 'test', fn }]
  return { benchmark, ...(await benchmark.run({ name: 'suite', ...suite, tests })) }
}

describe('a threshold', () => {
  test('is that of the test, else of the suite, else of the options', async () => {
    const { tests } = await run(
      { threshold: 3 * HOUR },
      {
        threshold: 2 * HOUR,
        tests: [
          { name: 'own', fn, threshold: HOUR },
          { name: 'suite', fn },
          { name: 'none', fn, threshold: Infinity },
        ],
      },
    )
    assert.deepEqual(
      tests.map(({ name, threshold, slow }) => [name, threshold, slow]),
      [
        ['own', HOUR, false],
        ['suite', 2 * HOUR, false],
        ['none', undefined, undefined],
      ],
    )
    const [only] = (await run({ threshold: 3 * HOUR }, {})).tests
    assert.equal(only.threshold, 3 * HOUR)
    assert(!('threshold' in (await run({}, {})).tests[0]))
  })

  test('that the average is above fails the report, not the test', async () => {
    const { tests, benchmark } = await run({ threshold: 0 }, {})
    assert.deepEqual([tests[0].slow, tests[0].status], [true, 'completed'])
    assert.equal(benchmark.generateReport().summary.overallStatus, 'failed')
    const fast = await run({ threshold: HOUR }, {})
    assert.equal(fast.benchmark.generateReport().summary.overallStatus, 'passed')
  })

  test('says nothing of what was not measured', async () => {
    const { tests } = await run({ threshold: 0 }, { tests: [{ name: 'test', fn: fail }] })
    assert.deepEqual([tests[0].threshold, tests[0].slow], [0, undefined])
    const unrun = await run({ threshold: 0 }, { setup: fail })
    assert.deepEqual([unrun.tests[0].threshold, unrun.tests[0].slow], [0, undefined])
  })

  test('is checked', async () => {
    for (const [threshold, code] of /** @type {[any, string][]} */ ([
      ['5', 'ERR_INVALID_ARG_TYPE'],
      [-1, 'ERR_OUT_OF_RANGE'],
      [Number.NaN, 'ERR_OUT_OF_RANGE'],
    ])) {
      assert.throws(() => new PerformanceBenchmark({ threshold }), { code })
      await assert.rejects(run({}, { threshold }), { code })
      await assert.rejects(run({}, { tests: [{ name: 'test', fn, threshold }] }), { code })
    }
  })

  test('judges several processes by their common average', async (t) => {
    const file = join(await workspace(t), 'suite.mjs')
    await writeFile(
      file,
      `export default { name: 'a', tests: [{ name: 'b', fn() {}, threshold: ${HOUR} }] }`,
    )
    class Slow extends PerformanceBenchmark {
      /** @param {types.BenchmarkMetrics} metrics */
      calculateStatistics(metrics) {
        const statistics = super.calculateStatistics(metrics)
        if (statistics.duration) statistics.duration.avg = 2 * HOUR
        return statistics
      }
    }
    const [{ tests }] = await new Slow(options).runFile(file, { runs: 2 })
    assert.deepEqual([tests[0].threshold, tests[0].slow], [HOUR, true])
  })
})

test('every report says which test is too slow', async (t) => {
  const folder = await workspace(t)
  const { benchmark } = await run({ threshold: 0 }, {})
  const average = /above the threshold of 0\.00 ms/
  for (const save of /** @type {const} */ ([
    'generateHTMLReport',
    'generateMarkdownReport',
    'generateJUnitReport',
  ])) {
    const text = await readFile(await benchmark[save](join(folder, save)), 'utf8')
    assert.match(text, /Performance regression detected/)
    assert.match(text, average)
  }
  const report = JSON.parse(
    await readFile(await benchmark.saveReport(join(folder, 'json')), 'utf8'),
  )
  const schema = require('aiwf-native/benchmark-report.schema.json')
  const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema)
  const faults = (/** @type {unknown} */ value) => (validate(value) ? [] : validate.errors)
  assert.deepEqual(faults(report), [])
  const [test] = report.suites[0].tests
  assert.deepEqual([test.threshold, test.slow], [0, true])
  report.suites[0].tests[0].slow = 'yes'
  assert.equal(faults(report)?.[0].instancePath, '/suites/0/tests/0/slow')
})
