// @ts-check
// Results of several processes, compared beyond chance; baselines in files; change points.
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'
import { workspace } from './support/workspace.mjs'

/** @import * as types from '../lib/performance-benchmark.js' */

const silent = { silent: true, warmupIterations: 0, iterations: 5 }

/** @param {types.ComparableTest['runs']} runs @param {string} [name] */
const result = (runs, name = 'test') => ({ tests: [{ name, runs }] })

describe('runs of both sides', () => {
  const benchmark = new PerformanceBenchmark(silent)
  const compare = (/** @type {number[]} */ current, /** @type {number[]} */ baseline) =>
    benchmark.detectPerformanceRegression(
      result({ duration: current }),
      result({ duration: baseline }),
    )
  const baseline = [10, 10.1, 10.2, 10.3]

  test('regress if threshold and test agree', () => {
    const { detected, issues, comparisons } = compare([13, 13.1, 13.2, 13.3], baseline)
    assert.equal(detected, true)
    const [{ test, metric, change, threshold }] = issues
    assert.deepEqual([test, metric, threshold], ['test', 'duration', 0.2])
    const [known] = comparisons ?? []
    assert.equal(known.change, change)
    assert.deepEqual([known.outcome, known.cliffsDelta, known.runs], ['regressed', 1, [4, 4]])
    assert(Math.abs((known.pValue ?? 0) - 2 / 70) < 1e-12)
    assert(Math.abs((known.shift ?? 0) - 3) < 1e-9)
    const [low, high] = known.interval ?? [0, 0]
    assert(low > 0.2 && low < change && change < high)
  })

  test('improve likewise', () => {
    const { detected, improvements } = compare(baseline, [13, 13.1, 13.2, 13.3])
    assert.deepEqual([detected, improvements.length], [false, 1])
  })

  test('are inconclusive if it may be chance, or they are too few', () => {
    for (const current of [
      [9, 14, 15, 16],
      [13, 13, 13],
    ]) {
      const { detected, issues, comparisons } = compare(current, baseline)
      assert.deepEqual([detected, issues], [false, []])
      assert.equal(comparisons?.[0].outcome, 'inconclusive')
    }
    assert.equal(compare([13, 13, 13], baseline).comparisons?.[0].pValue, undefined)
  })

  test('decide instead of the averages', () => {
    const average = (/** @type {number} */ avg, /** @type {number[]} */ duration) => ({
      tests: [{ name: 'test', statistics: { duration: { avg } }, runs: { duration } }],
    })
    const { detected } = benchmark.detectPerformanceRegression(
      average(100, [9, 14, 15, 16]),
      average(1, baseline),
    )
    assert.equal(detected, false)
  })

  test('leave it to the averages where a side has but one, or none of a metric', () => {
    const side = (/** @type {number} */ avg, /** @type {types.ComparableTest['runs']} */ runs) => ({
      tests: [
        { name: 'test', statistics: { duration: { avg }, throughput: { avg: 1 / avg } }, runs },
      ],
    })
    const metrics = (/** @type {types.ComparableTest['runs'][]} */ ...[current, other]) => {
      const { issues } = benchmark.detectPerformanceRegression(side(10, current), side(1, other))
      return issues.map(({ metric }) => metric)
    }
    assert.deepEqual(metrics({ duration: [10] }, { duration: [1] }), ['duration', 'throughput'])
    assert.deepEqual(metrics({ duration: baseline }, { duration: [1] }), ['duration', 'throughput'])
    assert.deepEqual(metrics({ duration: baseline }, { duration: baseline }), ['throughput'])
  })

  test('are at most 50, and lists', () => {
    assert.throws(() => compare(Array(51).fill(1), baseline), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => compare(/** @type {any} */ ('12345'), baseline), {
      code: 'ERR_INVALID_ARG_TYPE',
    })
    const { uncompared } = compare([Number.NaN], baseline)
    assert.deepEqual(uncompared, ['test'])
  })
})

describe('runFile', () => {
  /** @param {import('node:test').TestContext} t @param {string} source @param {string} [name] */
  async function suiteFile(t, source, name = 'suite.mjs') {
    const file = join(await workspace(t), name)
    await writeFile(file, source)
    return file
  }

  test('runs each time in a process of its own', async (t) => {
    const file = await suiteFile(
      t,
      `export default {
        name: 'suite',
        tests: [{ name: 'pid', fn: () => ({ throughput: process.pid }) }, { name: 'fails', fn() { throw 'no' } }],
      }`,
    )
    const benchmark = new PerformanceBenchmark(silent)
    /** @type {types.BenchmarkProgress[]} */
    const told = []
    const [suite] = await benchmark.runFile(file, {
      runs: 4,
      onProgress: (news) => told.push(news),
    })
    assert.equal(benchmark.benchmarkHistory.get('suite'), suite)
    const [pid, fails] = suite.tests
    assert.equal(new Set(pid.runs?.throughput).size, 4)
    assert.equal((await benchmark.runFile(file))[0].tests[0].runs, undefined)
    assert(!pid.metrics.throughput.includes(process.pid))
    assert.deepEqual([pid.runs?.duration.length, pid.iterations], [4, 20])
    assert.equal(pid.metrics.duration.length, 20)
    assert.deepEqual([fails.status, fails.error, fails.metrics.errors], ['failed', 'no', 20])
    assert.deepEqual([suite.summary.passedTests, suite.summary.failedTests], [1, 1])
    assert.deepEqual([told.at(-1)?.run, told.at(-1)?.runs], [3, 4])
  })

  test('leaves the suite no channel to talk on', async (t) => {
    const file = await suiteFile(
      t,
      `for (const message of ['ready', null, { results: [5] }]) process.send?.(message)
      export default { name: 'suite', tests: [{ name: 'test', fn: () => process.send?.('ready') }] }`,
    )
    const [{ tests }] = await new PerformanceBenchmark(silent).runFile(file)
    assert.equal(tests[0].status, 'completed')
  })

  test('tells tests of one name apart', async (t) => {
    const file = await suiteFile(
      t,
      `const test = (throughput) => ({ name: 'same', fn: () => ({ throughput }) })
      export default { name: 'suite', tests: [test(1), test(2)] }`,
    )
    const [{ tests }] = await new PerformanceBenchmark(silent).runFile(file, { runs: 2 })
    assert.deepEqual(
      tests.map(({ runs }) => runs?.throughput),
      [
        [1, 1],
        [2, 2],
      ],
    )
  })

  test('says in what the runs differ', async (t) => {
    const suite = (/** @type {string} */ name, /** @type {string[]} */ ...tests) =>
      `{ name: '${name}', tests: [${tests.map((test) => `{ name: '${test}', fn() {} }`)}] }`
    for (const [first, second, message] of [
      [suite('a', 'one', 'two'), suite('a', 'one'), /no 'a › two'/],
      [suite('a', 'one'), suite('a', 'two'), /'a › two' where the first has 'a › one'/],
      [suite('a', 'one'), suite('b', 'one'), /'b' where the first has 'a'/],
      [`${suite('a', 'x')}, ${suite('b', 'x')}`, suite('a', 'x'), /no 'b'/],
      [
        suite('a', 'x'),
        `${suite('a', 'x')}, ${suite('b', 'x')}`,
        /'b' where the first has nothing/,
      ],
    ]) {
      const file = await suiteFile(
        t,
        `import { existsSync, writeFileSync } from 'node:fs'
        const known = new URL('known', import.meta.url)
        const again = existsSync(known)
        writeFileSync(known, '')
        export default again ? [${second}] : [${first}]`,
      )
      const benchmark = new PerformanceBenchmark(silent)
      await assert.rejects(benchmark.runFile(file, { runs: 3 }), {
        code: 'ERR_AIWF_RUNS_DIFFER',
        message,
      })
      assert.deepEqual(benchmark.results, [])
    }
  })

  test('takes options of the caller that no process can be sent', async (t) => {
    const file = await suiteFile(t, `export default { name: 'a', tests: [{ name: 'b', fn() {} }] }`)
    const own = { ...silent, onDone() {}, signal: new AbortController().signal }
    const [suite] = await new PerformanceBenchmark(own).runFile(file)
    assert.equal(suite.tests[0].metrics.duration.length, silent.iterations)
  })

  test('keeps the figures of all iterations, of which it has a sample', async (t) => {
    const iterations = 120_000
    const file = await suiteFile(
      t,
      `let call = 0
      const fn = () => {
        if (++call % 2 === 0) throw 'no'
      }
      export default { name: 'a', tests: [{ name: 'b', fn, iterations: ${2 * iterations} }] }`,
    )
    class Telling extends PerformanceBenchmark {
      /** @param {types.BenchmarkMetrics} metrics */
      calculateStatistics(metrics) {
        const statistics = super.calculateStatistics(metrics)
        // Of the sample, and so not what is wanted.
        if (statistics.duration) statistics.duration.max = -1
        return { ...statistics, own: true }
      }
    }
    for (const runs of [1, 2]) {
      const [{ tests }] = await new Telling(silent).runFile(file, { runs })
      const [{ metrics, statistics, sampled }] = tests
      assert.deepEqual([sampled, metrics.errors], [runs * 1e5, runs * iterations])
      assert.deepEqual([statistics.errorRate, /** @type {any} */ (statistics).own], [0.5, true])
      const { avg = 0, max = 0, opsPerSecond } = statistics.duration ?? {}
      assert(max >= metrics.duration.reduce((most, value) => Math.max(most, value)))
      assert.equal(opsPerSecond, 1000 / avg)
    }
  })

  test('finds suites however they are exported', async (t) => {
    const suite = (/** @type {string} */ name) =>
      `{ name: '${name}', tests: [{ name: 't', fn() {} }] }`
    for (const [source, name, expected] of /** @type {const} */ ([
      [`export const one = ${suite('a')}; export const two = ${suite('b')}`, 'a.mjs', ['a', 'b']],
      [`export default [${suite('a')}, ${suite('b')}]`, 'b.mjs', ['a', 'b']],
      [`module.exports = ${suite('a')}`, 'c.cjs', ['a']],
      [`exports.suites = [${suite('a')}]`, 'd.cjs', ['a']],
    ])) {
      const results = await new PerformanceBenchmark(silent).runFile(
        await suiteFile(t, source, name),
      )
      assert.deepEqual(
        results.map(({ name }) => name),
        expected,
      )
    }
  })

  test('says what is wrong with a file', async (t) => {
    const benchmark = new PerformanceBenchmark(silent)
    for (const [source, code] of [
      ['export default 5', 'ERR_AIWF_NO_SUITE'],
      ['process.exit(3)', 'ERR_AIWF_BENCHMARK_PROCESS'],
      [
        'process.kill(process.pid, "SIGKILL"); await new Promise(() => {})',
        'ERR_AIWF_BENCHMARK_PROCESS',
      ],
      ['import "nowhere-to-be-found"', 'ERR_MODULE_NOT_FOUND'],
    ]) {
      await assert.rejects(benchmark.runFile(await suiteFile(t, source)), { code })
    }
    const coded = `throw Object.assign(new Error('no luck'), { code() {} })`
    await assert.rejects(benchmark.runFile(await suiteFile(t, coded)), { message: 'no luck' })
    await assert.rejects(benchmark.runFile('x', { runs: 51 }), { code: 'ERR_OUT_OF_RANGE' })
    assert.deepEqual(benchmark.results, [])
  })

  test('ends its process when it is aborted', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'suite.mjs')
    await writeFile(
      file,
      `export default { name: 'a', tests: [{ name: 'b', fn: () => new Promise(() => setInterval(() => {}, 1e6)) }] }`,
    )
    const controller = new AbortController()
    const running = new PerformanceBenchmark(silent).runFile(file, {
      signal: controller.signal,
      onProgress: () => controller.abort('enough'),
    })
    await assert.rejects(running, (reason) => reason === 'enough')
  })
})

describe('a baseline', () => {
  /** A benchmark whose last result has these runs. @param {number[]} duration @param {string} [name] */
  function measured(duration, name = 'suite') {
    const benchmark = new PerformanceBenchmark(silent)
    const statistics = benchmark.calculateStatistics({
      duration,
      memory: [],
      throughput: [],
      errors: 0,
    })
    const test = { name: 'test', status: 'completed', statistics, runs: { duration } }
    benchmark.results.push(/** @type {any} */ ({ name, tests: [test] }))
    return benchmark
  }

  test('is kept in a file, compared with, and grows', async (t) => {
    const file = join(await workspace(t), 'baseline.json')
    assert.equal(await measured([10, 10, 10, 10]).saveBaseline(file), file)
    await measured([20, 20, 20, 20]).saveBaseline(file)
    const baseline = await measured([1]).loadBaseline(file)
    assert.deepEqual([baseline.version, baseline.entries.length], [1, 2])
    const [{ machine, timestamp }] = baseline.entries
    assert.deepEqual([machine.node, machine.arch], [process.version, process.arch])
    assert(Math.abs(Date.now() - timestamp) < 60_000)
    const slower = measured([30, 30, 30, 31])
    const comparison = await slower.compareToBaseline(file)
    assert.deepEqual([comparison.detected, comparison.machineDifferences], [true, []])
    assert.equal(comparison.suites[0].suite, 'suite')
    assert.equal(comparison.suites[0].issues[0].change, 0.5)
    assert.equal(slower.generateReport().comparison, comparison)
    const same = await measured([20, 20, 20, 20]).compareToBaseline(baseline)
    assert.equal(same.detected, false)
    const other = await measured([20, 20, 20, 20], 'other').compareToBaseline(baseline)
    assert.deepEqual(other.suites[0].uncompared, ['test'])
  })

  test('that not everything can be compared with leaves a doubt, in every report', async (t) => {
    const folder = await workspace(t)
    const runs = [20, 20, 20, 20]
    /** @type {[PerformanceBenchmark, boolean, RegExp][]} */
    const cases = [
      [measured(runs), false, /No regression against the baseline/],
      [measured([19, 40, 41, 42]), true, /Inconclusive/],
      [measured([30, 30, 30]), true, /Inconclusive/],
      [measured(runs, 'other'), true, /Inconclusive/],
    ]
    const baseline = await saved(measured(runs))
    for (const [benchmark, inconclusive, verdict] of cases) {
      const comparison = await benchmark.compareToBaseline(baseline)
      assert.deepEqual([comparison.detected, comparison.inconclusive], [false, inconclusive])
      for (const save of /** @type {const} */ (['generateHTMLReport', 'generateMarkdownReport'])) {
        const text = await readFile(await benchmark[save](join(folder, save)), 'utf8')
        assert.match(text, verdict)
        assert.equal(/no regression/i.test(text), !inconclusive)
        assert.equal(
          text.includes('Nothing to compare with: other › test'),
          benchmark === cases[3][0],
        )
      }
    }
  })

  test('of one run has a few bytes of memory for nothing', async () => {
    const heap = (/** @type {number} */ avg) => {
      const benchmark = new PerformanceBenchmark(silent)
      const test = { name: 'test', status: 'completed', statistics: { memory: { avg } } }
      const suite = { name: 'suite', tests: [test] }
      benchmark.results.push(/** @type {any} */ (suite))
      return benchmark
    }
    const compare = async (/** @type {number} */ now, /** @type {number} */ then) =>
      (await heap(now).compareToBaseline(await saved(heap(then)))).suites[0]
    const { issues, improvements, uncompared } = await compare(1100, 100)
    assert.deepEqual([issues, improvements, uncompared], [[], [], undefined])
    assert.deepEqual((await compare(100, 1100)).improvements, [])
    assert.equal((await compare(1200, 100)).issues.length, 1)
  })

  test('has for each test the newest entry that knows it', async (t) => {
    const file = join(await workspace(t), 'baseline.json')
    await measured([10, 10, 10, 10]).saveBaseline(file)
    await measured([20, 20, 20, 20]).saveBaseline(file)
    await measured([1, 1, 1, 1], 'other').saveBaseline(file)
    const { suites, inconclusive } = await measured([31, 31, 31, 31]).compareToBaseline(file)
    assert.equal(suites[0].issues[0].change, 11 / 20)
    assert.equal(inconclusive, false)
  })

  test('has suites of one name together, of each test the last result', async (t) => {
    const file = join(await workspace(t), 'baseline.json')
    const benchmark = measured([1, 1, 1, 1])
    for (const [name, value] of /** @type {const} */ ([
      ['more', 2],
      ['test', 3],
    ])) {
      const [result] = measured([value, value, value, value]).results
      benchmark.results.push({ ...result, tests: [{ ...result.tests[0], name }] })
    }
    const { entries } = await benchmark.loadBaseline(await benchmark.saveBaseline(file))
    const [suite, ...rest] = entries[0].suites
    assert.deepEqual(rest, [])
    assert.deepEqual(
      suite.tests.map(({ name, statistics }) => [name, statistics?.duration?.avg]),
      [
        ['test', 3],
        ['more', 2],
      ],
    )
    const comparison = await benchmark.compareToBaseline(file)
    assert.deepEqual(
      comparison.suites.map(({ suite, comparisons }) => [suite, comparisons?.length]),
      [['suite', 2]],
    )
  })

  test('keeps as many entries as it is told', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'baseline.json')
    for (const value of [1, 2, 3]) await measured([value]).saveBaseline(file, { keep: 2 })
    const { entries } = await measured([1]).loadBaseline(file)
    assert.deepEqual(
      entries.map(({ suites }) => suites[0].tests[0].runs?.duration),
      [[2], [3]],
    )
    assert.deepEqual(await readdir(folder), ['baseline.json'])
  })

  test('of another machine is compared, and that is said', async () => {
    const benchmark = measured([10, 10, 10, 10])
    const { entries } = await saved(benchmark)
    const machine = { ...entries[0].machine, cpu: 'Another' }
    const comparison = await benchmark.compareToBaseline({
      version: 1,
      entries: [{ ...entries[0], machine }],
    })
    assert.deepEqual(comparison.machineDifferences, ['cpu'])
  })

  test('that is none is refused and left alone', async (t) => {
    const file = join(await workspace(t), 'baseline.json')
    const benchmark = measured([1])
    await assert.rejects(benchmark.loadBaseline(file), { code: 'ENOENT', path: file })
    for (const text of [
      '{ "version": 1, "entr',
      '{}',
      '{"version":2,"entries":[]}',
      '{"version":1,"entries":[5]}',
      '{"version":1,"entries":[{"timestamp":0,"machine":{},"suites":[{"name":"a","tests":[null]}]}]}',
      '{"version":1,"entries":[{"timestamp":0,"machine":{},"suites":[{"tests":[]}]}]}',
      '{"version":1,"entries":[{"timestamp":1e300,"machine":{},"suites":[]}]}',
      'null',
    ]) {
      await writeFile(file, text)
      for (const use of /** @type {const} */ ([
        'loadBaseline',
        'compareToBaseline',
        'saveBaseline',
      ])) {
        await assert.rejects(benchmark[use](file), {
          code: 'ERR_AIWF_INVALID_BASELINE',
          path: file,
        })
      }
      assert.equal(await readFile(file, 'utf8'), text)
    }
  })

  test('that is no object of the form is refused as well', async () => {
    for (const [baseline, code] of /** @type {[any, string][]} */ ([
      [{}, 'ERR_AIWF_INVALID_BASELINE'],
      [{ version: Object.create(null) }, 'ERR_AIWF_INVALID_BASELINE'],
      [{ version: 1, entries: [null] }, 'ERR_AIWF_INVALID_BASELINE'],
      [null, 'ERR_INVALID_ARG_TYPE'],
    ])) {
      await assert.rejects(measured([1]).compareToBaseline(baseline), { code })
    }
  })

  test('with 20 entries and more tells since when a test is slower', async () => {
    const benchmark = measured([13])
    const [entry] = (await saved(benchmark)).entries
    const medians = Array.from(
      { length: 25 },
      (_, index) => (index < 15 ? 10 : 13) + (index % 3) / 10,
    )
    const entries = medians.map((median, index) => ({
      ...entry,
      timestamp: 1000 * index,
      suites: [
        {
          name: 'suite',
          tests: [{ name: 'test', statistics: { duration: { avg: median, median } } }],
        },
      ],
    }))
    const { changePoints } = await benchmark.compareToBaseline({ version: 1, entries })
    const [{ pValue, change = 0, ...point }] = changePoints
    assert.equal(changePoints.length, 1)
    assert.deepEqual(point, {
      suite: 'suite',
      test: 'test',
      metric: 'duration',
      timestamp: 15_000,
      runsSince: 11,
      before: 10.1,
      after: 13.1,
    })
    assert(pValue <= 0.01 && change > 0.25)
    const few = await benchmark.compareToBaseline({ version: 1, entries: entries.slice(10, 22) })
    assert.deepEqual(few.changePoints, [])
  })

  /** @param {PerformanceBenchmark} benchmark */
  async function saved(benchmark) {
    /** @type {(() => Promise<void>)[]} */
    const clean = []
    const file = join(await workspace({ after: (work) => clean.push(work) }), 'baseline.json')
    try {
      return await benchmark.loadBaseline(await benchmark.saveBaseline(file))
    } finally {
      for (const work of clean) await work()
    }
  }
})
