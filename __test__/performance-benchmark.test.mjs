// @ts-check
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BenchmarkSuites, PerformanceBenchmark } from '../lib/performance-benchmark.js'

/** @import * as types from '../lib/performance-benchmark.js' */

const quiet = { silent: true, warmupIterations: 0 }

/**
 * Runs one test of its own suite.
 *
 * @param {() => unknown} fn
 * @param {types.BenchmarkOptions & types.BenchmarkHooks} [options]
 */
async function measure(fn, options) {
  const benchmark = new PerformanceBenchmark({ ...quiet, iterations: 5, ...options })
  const result = await benchmark.run({ name: 'suite', tests: [{ name: 'test', fn }] })
  return result.tests[0]
}

/** @param {Partial<Record<types.BenchmarkMetric, number>>} averages @param {string} [name] */
function testResult(averages, name) {
  const statistics = Object.fromEntries(
    Object.entries(averages).map(([metric, avg]) => [metric, { avg }]),
  )
  return { name, statistics }
}

describe('options', () => {
  test('have the documented defaults', () => {
    const { options, results, benchmarkHistory } = new PerformanceBenchmark()
    assert.deepEqual(options, {
      iterations: 100,
      warmupIterations: 10,
      memoryProfiling: false,
      concurrency: 1,
      timeout: 30000,
      silent: false,
    })
    assert.deepEqual([results, benchmarkHistory.size], [[], 0])
  })

  test('are checked, also when they were written later', async () => {
    assert.throws(() => new PerformanceBenchmark({ iterations: /** @type {any} */ ('5') }), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    })
    assert.throws(() => new PerformanceBenchmark({ timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => /** @type {any} */ (PerformanceBenchmark)(), TypeError)
    const benchmark = new PerformanceBenchmark(quiet)
    benchmark.options.concurrency = -1
    const suite = { name: 'suite', tests: [{ name: 'test', fn() {} }] }
    await assert.rejects(benchmark.run(suite), { code: 'ERR_OUT_OF_RANGE' })
  })

  test('a suite is checked before anything runs', async () => {
    const benchmark = new PerformanceBenchmark(quiet)
    for (const [suite, name] of [
      [undefined, 'suite'],
      [{ name: 1, tests: [] }, 'suite.name'],
      [{ name: 'a', tests: {} }, 'suite.tests'],
      [{ name: 'a', tests: [{ name: 'b' }] }, 'suite.tests[0].fn'],
      [{ name: 'a', tests: [], setup: 1 }, 'suite.setup'],
    ]) {
      await assert.rejects(benchmark.run(/** @type {any} */ (suite)), (error) => {
        assert(error instanceof TypeError)
        assert.match(error.message, RegExp(`"${String(name).replace(/[[\]]/g, '\\$&')}"`))
        return true
      })
    }
  })
})

describe('run', () => {
  test('measures each iteration of synchronous and asynchronous functions', async () => {
    for (const fn of [() => 1, async () => 1]) {
      const result = await measure(fn)
      const { metrics, statistics, totalTime, ...rest } = result
      assert.deepEqual(rest, {
        name: 'test',
        status: 'completed',
        iterations: 5,
        warmupIterations: 0,
      })
      assert.deepEqual([metrics.duration.length, metrics.memory.length, metrics.errors], [5, 5, 0])
      assert.deepEqual([metrics.throughput, statistics.throughput], [[], undefined])
      assert(totalTime >= metrics.duration.reduce((sum, value) => sum + value))
      assert.equal(statistics.duration?.max, Math.max(...metrics.duration))
    }
  })

  test('calls warm-ups, iterations and hooks in order', async () => {
    /** @type {string[]} */
    const calls = []
    const note = (/** @type {string} */ name) => () => calls.push(name)
    const benchmark = new PerformanceBenchmark({ silent: true, iterations: 9, warmupIterations: 9 })
    const result = await benchmark.run({
      name: 'suite',
      setup: note('before all'),
      teardown: async () => note('after all')(),
      tests: [
        {
          name: 'test',
          fn: note('call'),
          iterations: 2,
          warmupIterations: 1,
          setup: async () => note('before')(),
          teardown: note('after'),
        },
      ],
    })
    const expected = ['before all', 'before', 'call', 'call', 'call', 'after', 'after all']
    assert.deepEqual(calls, expected)
    assert.deepEqual([result.tests[0].iterations, result.tests[0].warmupIterations], [2, 1])
    assert.deepEqual(benchmark.results, [result])
    assert.equal(benchmark.benchmarkHistory.get('suite'), result)
  })

  test('failing tests stop nothing and say why', async () => {
    const fail = () => {
      throw new Error('no luck')
    }
    const benchmark = new PerformanceBenchmark({ ...quiet, iterations: 3 })
    let calls = 0
    const { tests, summary } = await benchmark.run({
      name: 'suite',
      tests: [
        { name: 'throws', fn: fail },
        { name: 'rejects', fn: () => Promise.reject('a string') },
        { name: 'rejects with nothing', fn: () => Promise.reject() },
        { name: 'set-up', fn() {}, setup: fail },
        { name: 'tear-down', fn() {}, teardown: async () => fail() },
        { name: 'once', fn: () => calls++ === 0 && fail() },
        { name: 'fine', fn() {} },
      ],
    })
    assert.deepEqual(
      tests.map(({ status, error, metrics }) => [status, error, metrics.errors]),
      [
        ['failed', 'no luck', 3],
        ['failed', 'a string', 3],
        ['failed', 'undefined', 3],
        ['failed', 'no luck', 0],
        ['failed', 'no luck', 0],
        ['completed', undefined, 1],
        ['completed', undefined, 0],
      ],
    )
    assert.equal(tests[0].statistics.errorRate, 1)
    assert.equal(tests[5].statistics.errorRate, 1 / 3)
    assert.deepEqual([summary.totalTests, summary.passedTests, summary.failedTests], [7, 2, 5])
    assert.equal(summary.totalDuration, tests[5].totalTime + tests[6].totalTime)
    assert.equal(summary.averageDuration, summary.totalDuration / 2)
  })

  test('nothing that is thrown or returned stops the suite', async () => {
    const boo = () => {
      throw new Error('boo')
    }
    const hostile = () => Object.defineProperty({}, 'throughput', { get: boo })
    const unspeakable = () => {
      throw Object.defineProperty({}, 'message', { get: boo })
    }
    const benchmark = new PerformanceBenchmark({ ...quiet, iterations: 3 })
    /** @type {types.BenchmarkSuite} */
    const suite = {
      name: 'suite',
      tests: [
        { name: 'hostile', fn: hostile },
        { name: 'hostile later', fn: async () => hostile() },
        { name: 'unspeakable', fn: unspeakable },
        { name: 'changes the suite', fn: () => suite.tests.push(/** @type {any} */ (null)) },
      ],
    }
    const { tests } = await benchmark.run(suite)
    assert.deepEqual(
      tests.map(({ status, metrics, error }) => [status, metrics.errors, error]),
      [
        ['completed', 0, undefined],
        ['completed', 0, undefined],
        ['failed', 3, 'An error without a text'],
        ['completed', 0, undefined],
      ],
    )
  })

  test('if the set-up of a suite fails, so do its tests, and it is torn down', async () => {
    let tornDown = false
    const benchmark = new PerformanceBenchmark(quiet)
    const { tests, summary } = await benchmark.run({
      name: 'suite',
      setup: () => Promise.reject(new Error('no database')),
      teardown: () => {
        tornDown = true
      },
      tests: [{ name: 'test', fn: () => assert.fail('must not run') }],
    })
    assert.equal(tests[0].error, 'The setup of suite failed: no database')
    assert(tornDown)
    assert.deepEqual(summary, {
      totalTests: 1,
      passedTests: 0,
      failedTests: 1,
      averageDuration: 0,
      totalDuration: 0,
      memoryUsage: { min: 0, max: 0, avg: 0 },
    })
  })

  test('what never settles or blocks too long is a timeout', async () => {
    const never = await measure(() => new Promise(() => {}), { timeout: 5, iterations: 2 })
    assert.equal(never.error, 'Test timeout: no result within 5 ms')
    assert.deepEqual([never.status, never.metrics.errors], ['failed', 2])
    const block = () => {
      const end = performance.now() + 6
      while (performance.now() < end);
    }
    assert.equal((await measure(block, { timeout: 5 })).metrics.errors, 5)
    const hook = await measure(() => {}, { timeout: 5 })
    assert.equal(hook.status, 'completed')
  })

  test('a slow promise is not cut off by the limit of an earlier one', async () => {
    const wait = () => new Promise((resolve) => setTimeout(resolve, 20))
    const result = await measure(wait, { timeout: 500, iterations: 30 })
    assert.equal(result.metrics.errors, 0)
  })

  test('calls as many at once as asked, and counts the successful a second', async () => {
    let running = 0
    let most = 0
    let calls = 0
    const fn = async () => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      if (++calls % 4 === 0) throw new Error('every fourth')
    }
    const { metrics, status } = await measure(fn, { concurrency: 4 })
    assert.deepEqual([most, calls, status, metrics.errors], [4, 20, 'completed', 0])
    metrics.duration.forEach((duration, round) => {
      assert.equal(metrics.throughput[round], 3 / (duration / 1000))
    })
    const failing = await measure(() => Promise.reject(new Error('all')), { concurrency: 4 })
    assert.deepEqual([failing.error, failing.metrics.errors], ['all', 5])
  })

  test('records the throughput a test reports, if it is a number', async () => {
    const values = [7, Number.NaN, '9', 0, Number.POSITIVE_INFINITY]
    let call = 0
    const { metrics } = await measure(() => ({ throughput: values[call++] }))
    assert.deepEqual(metrics.throughput, [7, 0])
  })

  test('timers have their turn between iterations', async () => {
    let fired = false
    setTimeout(() => {
      fired = true
    })
    const busy = () => {
      const end = performance.now() + 1
      while (performance.now() < end);
    }
    await measure(busy, { iterations: 120 })
    assert(fired)
  })

  test('suites may run at once', async () => {
    const benchmark = new PerformanceBenchmark({ ...quiet, iterations: 3 })
    const suites = ['a', 'b'].map((name) => ({ name, tests: [{ name, fn: async () => {} }] }))
    await Promise.all(suites.map((suite) => benchmark.run(suite)))
    assert.deepEqual([...benchmark.benchmarkHistory.keys()].sort(), ['a', 'b'])
  })

  test('can be extended', async () => {
    class Own extends PerformanceBenchmark {
      /** @param {types.BenchmarkMetrics} metrics */
      calculateStatistics(metrics) {
        return { ...super.calculateStatistics(metrics), own: metrics.duration.length }
      }
    }
    const benchmark = new Own({ ...quiet, iterations: 4 })
    const { tests } = await benchmark.run({ name: 'suite', tests: [{ name: 'test', fn() {} }] })
    assert.equal(/** @type {any} */ (tests[0].statistics).own, 4)
  })
})

describe('statistics', () => {
  const benchmark = new PerformanceBenchmark(quiet)

  test('of known values', () => {
    const metrics = { duration: [4, 1, 3, 2], memory: [], throughput: [Number.NaN], errors: 1 }
    const { duration, memory, throughput, errorRate } = benchmark.calculateStatistics(metrics)
    assert.deepEqual(duration, {
      min: 1,
      max: 4,
      avg: 2.5,
      median: 2.5,
      p95: 4,
      p99: 4,
      stddev: Math.sqrt(1.25),
      mad: 1,
      ci95: [1, 4],
      outliers: 0,
      opsPerSecond: 400,
    })
    assert.deepEqual([memory, throughput, errorRate], [undefined, undefined, 0.2])
  })

  test('medians, percentiles and deviations', () => {
    assert.equal(benchmark.calculateMedian([1, 2, 3]), 2)
    assert.equal(benchmark.calculateMedian(Float64Array.of(1, 2)), 1.5)
    assert.equal(benchmark.calculatePercentile([10, 20, 30, 40], 50), 20)
    assert.equal(benchmark.calculatePercentile([10, 20, 30, 40], 51), 30)
    assert.equal(benchmark.calculatePercentile(Int8Array.of(1, 2), 0), 1)
    assert.equal(benchmark.calculateStandardDeviation([2, 4]), 1)
    assert.equal(benchmark.calculateStandardDeviation([2, 4, Number.POSITIVE_INFINITY]), 1)
    assert.deepEqual(
      [
        benchmark.calculateMedian([]),
        benchmark.calculatePercentile([], 50),
        benchmark.calculateStandardDeviation([]),
      ],
      [0, 0, 0],
    )
  })

  test('arguments are checked', () => {
    const wrong = /** @type {any} */ ('12')
    for (const values of /** @type {any[]} */ ([
      wrong,
      [1n],
      new BigInt64Array(1),
      [Symbol('a')],
      new DataView(new ArrayBuffer(8)),
    ])) {
      assert.throws(() => benchmark.calculateMedian(values), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    assert.throws(() => benchmark.calculatePercentile([1], 101), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => benchmark.calculateStatistics(wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  })
})

describe('detectPerformanceRegression', () => {
  const benchmark = new PerformanceBenchmark(quiet)

  test('applies each threshold', () => {
    const baseline = testResult({ duration: 100, memory: 100, throughput: 100 })
    const at = testResult({ duration: 120, memory: 130, throughput: 90 })
    assert.deepEqual(benchmark.detectPerformanceRegression(at, baseline), {
      detected: false,
      issues: [],
      improvements: [],
    })
    const worse = testResult({ duration: 150, memory: 150, throughput: 50 })
    assert.deepEqual(benchmark.detectPerformanceRegression(worse, baseline), {
      detected: true,
      issues: [
        { metric: 'duration', change: 0.5, threshold: 0.2 },
        { metric: 'memory', change: 0.5, threshold: 0.3 },
        { metric: 'throughput', change: -0.5, threshold: -0.1 },
      ],
      improvements: [],
    })
    const better = testResult({ duration: 50, memory: 50, throughput: 150 })
    assert.deepEqual(benchmark.detectPerformanceRegression(better, baseline).improvements, [
      { metric: 'duration', change: -0.5 },
      { metric: 'memory', change: -0.5 },
      { metric: 'throughput', change: 0.5 },
    ])
  })

  test('compares nothing with nothing', () => {
    const none = { detected: false, issues: [], improvements: [] }
    const zero = testResult({ duration: 0, memory: 0, throughput: 0 })
    const some = testResult({ duration: 1, memory: 1, throughput: 1 })
    for (const [current, baseline] of [
      [some, zero],
      [some, {}],
      [{}, some],
      [{ statistics: {} }, { statistics: {} }],
    ]) {
      assert.deepEqual(benchmark.detectPerformanceRegression(current, baseline), none)
    }
    const wrong = /** @type {any} */ (undefined)
    assert.throws(() => benchmark.detectPerformanceRegression(some, wrong), TypeError)
    const fine = { tests: [some] }
    for (const tests of /** @type {any[]} */ ([[null], [5], 5, null, undefined])) {
      const code = 'ERR_INVALID_ARG_TYPE'
      assert.throws(() => benchmark.detectPerformanceRegression({ tests }, fine), { code })
      assert.throws(() => benchmark.detectPerformanceRegression(fine, { tests }), { code })
    }
  })

  test('matches the tests of suites by name', () => {
    const current = {
      tests: [
        testResult({ duration: 10 }, 'new'),
        testResult({ duration: 10 }, 'b'),
        testResult({ duration: 10 }, 'a'),
      ],
    }
    const baseline = {
      tests: [testResult({ duration: 5 }, 'a'), testResult({ duration: 20 }, 'b')],
    }
    assert.deepEqual(benchmark.detectPerformanceRegression(current, baseline), {
      detected: true,
      issues: [{ test: 'a', metric: 'duration', change: 1, threshold: 0.2 }],
      improvements: [{ test: 'b', metric: 'duration', change: -0.5 }],
      uncompared: ['new'],
    })
  })
})

describe('reports', () => {
  /** @type {string} */
  let folder
  before(async () => {
    folder = await fs.mkdtemp(path.join(os.tmpdir(), 'aiwf-test-'))
  })
  after(() => fs.rm(folder, { recursive: true }))

  const nasty = '<script>alert("1")</script>'
  async function benchmarked() {
    const benchmark = new PerformanceBenchmark({ ...quiet, iterations: 3 })
    await benchmark.run({
      name: nasty,
      tests: [
        { name: nasty, fn() {} },
        { name: 'broken', fn: () => Promise.reject(new Error(nasty)) },
      ],
    })
    return benchmark
  }

  test('sum up all suites', async () => {
    const benchmark = await benchmarked()
    const { timestamp, summary, suites, configuration, systemInfo } = benchmark.generateReport()
    assert(Math.abs(Date.now() - timestamp) < 60_000)
    assert.deepEqual(summary, { totalSuites: 1, totalTests: 2, overallStatus: 'failed' })
    assert.equal(suites, benchmark.results)
    assert.deepEqual(configuration, benchmark.options)
    assert.equal(systemInfo.nodeVersion, process.version)
    assert(systemInfo.memory.rss > 0)
    const empty = new PerformanceBenchmark(quiet).generateReport()
    assert.equal(empty.summary.overallStatus, 'passed')
  })

  test('are saved as JSON', async () => {
    const benchmark = await benchmarked()
    const file = path.join(folder, 'report.json')
    assert.equal(await benchmark.saveReport(file), file)
    const report = JSON.parse(await fs.readFile(file, 'utf8'))
    assert.deepEqual(report.suites, JSON.parse(JSON.stringify(benchmark.results)))
    assert.deepEqual(benchmark.detectPerformanceRegression(report.suites[0], report.suites[0]), {
      detected: false,
      issues: [],
      improvements: [],
      uncompared: ['broken'],
    })
  })

  test('have the settings, and nothing else of the options', async () => {
    const benchmark = new PerformanceBenchmark(/** @type {any} */ ({ ...quiet, big: 1n }))
    const { configuration } = benchmark.generateReport()
    assert.deepEqual(configuration, new PerformanceBenchmark(quiet).options)
    await benchmark.saveReport(path.join(folder, 'settings.json'))
  })

  test('are saved as HTML that escapes what it shows', async () => {
    const file = path.join(folder, 'report.html')
    assert.equal(await (await benchmarked()).generateHTMLReport(file), file)
    const html = await fs.readFile(file, 'utf8')
    assert(!html.includes('<script'))
    assert(html.includes('&lt;script&gt;alert(&quot;1&quot;)'))
    assert.deepEqual(
      (await fs.readdir(folder)).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })

  test('fail as node:fs does', async () => {
    await fs.writeFile(path.join(folder, 'file'), '')
    const file = path.join(folder, 'file', 'report')
    const benchmark = new PerformanceBenchmark(quiet)
    for (const save of /** @type {const} */ (['saveReport', 'generateHTMLReport'])) {
      const saving = async () => await benchmark[save](file)
      await assert.rejects(saving, (/** @type {any} */ error) => {
        const { code, syscall, path } = error
        assert.deepEqual({ code, syscall, path }, { code: 'ENOTDIR', syscall: 'open', path: file })
        assert.match(error.stack, /performance-benchmark\.test/)
        return true
      })
    }
    const wrong = /** @type {any} */ (5)
    await assert.rejects(benchmark.saveReport(wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  })
})

describe('BenchmarkSuites', () => {
  for (const [suite, name, tests] of /** @type {const} */ ([
    [
      BenchmarkSuites.fileOperations(),
      'File Operations',
      ['File Read Performance', 'File Write Performance'],
    ],
    [
      BenchmarkSuites.memoryOperations(),
      'Memory Operations',
      ['Array Creation', 'Object Creation'],
    ],
  ])) {
    test(name, async () => {
      assert.equal(suite.name, name)
      assert.deepEqual(
        suite.tests.map(({ name }) => name),
        tests,
      )
      const { summary } = await new PerformanceBenchmark({ ...quiet, iterations: 3 }).run(suite)
      assert.equal(summary.passedTests, 2)
      const result = /** @type {any} */ (
        await suite.tests[0].fn({ signal: new AbortController().signal })
      )
      assert(result.duration >= 0)
      const left = await fs.readdir(os.tmpdir())
      assert.deepEqual(
        left.filter((file) => file.startsWith('aiwf-benchmark-')),
        [],
      )
    })
  }
})
