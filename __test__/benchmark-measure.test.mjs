// @ts-check
// How functions are timed: batches, steady state, time limits, aborts, progress, bounded memory.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'

/** @import * as types from '../lib/performance-benchmark.js' */

/**
 * @param {types.BenchmarkTest['fn']} fn
 * @param {types.BenchmarkOptions & types.BenchmarkHooks} [options]
 */
async function measure(fn, options) {
  const benchmark = new PerformanceBenchmark({ silent: true, warmupIterations: 0, ...options })
  const { tests } = await benchmark.run({ name: 'suite', tests: [{ name: 'test', fn }] })
  return tests[0]
}

const never = () => new Promise(() => {})

describe('time', () => {
  test('calls short functions in batches, whose means are the timings', async () => {
    let calls = 0
    const result = await measure(() => ++calls, { time: 20 })
    const { metrics, callsPerIteration = 0, iterations } = result
    assert(callsPerIteration > 1)
    assert(calls >= iterations * callsPerIteration)
    assert.equal(metrics.duration.length, iterations)
    assert.equal(metrics.memory.length, iterations)
    assert.equal(result.status, 'completed')
  })

  test('awaits each call of an asynchronous function', async () => {
    let running = 0
    let most = 0
    const result = await measure(
      async () => {
        most = Math.max(most, ++running)
        await undefined
        running--
      },
      { time: 20 },
    )
    assert.equal(most, 1)
    assert(result.metrics.duration.length > 0)
  })

  test('awaits a function that is asynchronous now and then', async () => {
    let calls = 0
    let running = 0
    let most = 0
    const sometimes = () => {
      if (++calls % 3 > 0) return calls
      most = Math.max(most, ++running)
      return Promise.resolve().then(() => running--)
    }
    const result = await measure(sometimes, { time: 20 })
    assert.deepEqual([most, running, result.metrics.errors], [1, 0, 0])
  })

  test('says so if V8 left the function out', async () => {
    assert.equal((await measure(() => {}, { time: 500 })).optimizedAway, true)
    const text = JSON.stringify({ numbers: Array.from({ length: 100 }, (_, index) => index) })
    assert.equal((await measure(() => JSON.parse(text), { time: 50 })).optimizedAway, false)
  })

  test('ends, whatever fails', async () => {
    const fail = () => {
      throw new Error('no luck')
    }
    const { status, error, metrics } = await measure(fail, { time: 10 })
    assert.deepEqual([status, error], ['failed', 'no luck'])
    assert(metrics.errors > 0)
    const stuck = await measure(never, { time: 10, timeout: 10 })
    assert.deepEqual([stuck.status, stuck.metrics.duration], ['failed', []])
  })
})

describe('warmup: steady', () => {
  test('says whether a steady state was reached', async () => {
    const { steadyState, warmupIterations } = await measure(() => 1, { warmup: 'steady', time: 10 })
    assert.equal(typeof steadyState, 'boolean')
    assert.equal(warmupIterations, 0)
    const none = await measure(never, { warmup: 'steady', timeout: 5, iterations: 1 })
    assert.deepEqual([none.steadyState, none.metrics.errors], [false, 1])
    assert.equal((await measure(() => 1)).steadyState, undefined)
  })

  test('is checked', () => {
    const warmup = /** @type {any} */ ('hot')
    assert.throws(() => new PerformanceBenchmark({ warmup }), { code: 'ERR_INVALID_ARG_VALUE' })
  })
})

test('of more iterations than are kept there is a sample, and exact figures', async () => {
  const { metrics, statistics, sampled, iterations } = await measure(() => 1, {
    iterations: 250_000,
  })
  assert.deepEqual([sampled, metrics.duration.length, metrics.memory.length], [1e5, 1e5, 1e5])
  assert.equal(iterations, 250_000)
  const { min, max, median, p99 } = /** @type {types.DurationStatistics} */ (statistics.duration)
  assert(min <= Math.min(...metrics.duration.slice(0, 1000)) && p99 <= max && median <= p99)
})

test('of more iterations than are kept the failed ones are a share of all', async () => {
  let calls = 0
  const fn = () => {
    if (++calls % 10 === 0) throw calls
  }
  const { metrics, statistics, sampled } = await measure(fn, { iterations: 250_000 })
  assert.deepEqual([sampled, metrics.errors, statistics.errorRate], [1e5, 25_000, 0.1])
})

test('10,000 iterations of a leaking function show what it leaks', async () => {
  /** @type {unknown[]} */
  const leaked = []
  const { statistics } = await measure(() => leaked.push(new Array(1000).fill(0.5)), {
    iterations: 10_000,
  })
  // An array of 1,000 numbers takes 8,000 bytes; what else is collected on the way is much less than all of them.
  const { avg = 0 } = statistics.memory ?? {}
  assert(avg > 4000, `${avg}`)
  assert.equal(leaked.length, 10_000)
})

test('NaN and Infinity in metrics are left out', () => {
  const benchmark = new PerformanceBenchmark({ silent: true })
  const values = [Number.NaN, 1, Number.POSITIVE_INFINITY, 3]
  const metrics = { duration: values, memory: values, throughput: [Number.NaN], errors: 0 }
  const { duration, memory, throughput } = benchmark.calculateStatistics(metrics)
  assert.deepEqual([duration?.avg, memory?.max, throughput], [2, 3, undefined])
  assert.equal(
    benchmark.histogram(values).reduce((sum, { count }) => sum + count, 0),
    2,
  )
  assert.doesNotThrow(() => JSON.stringify(benchmark.generateReport()))
})

test('a call that nobody waits for any more is told, and does not disturb the next', async () => {
  /** @type {AbortSignal[]} */
  const signals = []
  /** @type {((value: unknown) => void)[]} */
  const late = []
  const { metrics } = await measure(
    ({ signal }) => {
      signals.push(signal)
      if (signals.length === 2) return new Promise((resolve) => late.push(resolve))
      late.pop()?.('much too late')
      return Promise.resolve()
    },
    { iterations: 4, timeout: 50 },
  )
  assert.deepEqual([metrics.errors, metrics.duration.length], [1, 3])
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true, false, false],
  )
  assert.equal(signals[0], signals[1])
  assert.equal(signals[1].reason.code, 'ERR_AIWF_TEST_TIMEOUT')
})

describe('a run', () => {
  /** @param {types.BenchmarkTest['fn']} fn @param {types.BenchmarkRunOptions} options */
  const run = (fn, options, iterations = 10) => {
    const benchmark = new PerformanceBenchmark({ silent: true, warmupIterations: 0, iterations })
    const torn = { down: 0 }
    const teardown = () => torn.down++
    const tests = [{ name: 'test', fn, teardown }]
    const running = benchmark.run({ name: 'suite', tests, teardown }, options)
    return { running, torn, benchmark }
  }

  test('that is aborted amid a call, sync or async, makes no more and tears down', async () => {
    const reject = () => Promise.reject(new Error('aborted'))
    for (const wait of [() => undefined, never, reject]) {
      const controller = new AbortController()
      let calls = 0
      const fn = () => {
        if (++calls === 5) controller.abort('enough')
        return calls < 5 ? undefined : wait()
      }
      const { running, torn, benchmark } = run(fn, { signal: controller.signal })
      await assert.rejects(running, (reason) => reason === 'enough')
      assert.deepEqual([calls, torn.down, benchmark.results], [5, 2, []])
    }
    await assert.rejects(run(() => 1, { signal: AbortSignal.abort() }).running, {
      name: 'AbortError',
    })
  })

  test('that is aborted amid a set-up waits for it no longer', async () => {
    for (const place of ['suite', 'test']) {
      const controller = new AbortController()
      const setup = () => {
        queueMicrotask(() => controller.abort('enough'))
        return never()
      }
      const benchmark = new PerformanceBenchmark({ silent: true })
      const test = { name: 'test', fn: () => assert.fail('must not run') }
      const suite =
        place === 'suite'
          ? { name: 'suite', tests: [test], setup }
          : { name: 'suite', tests: [{ ...test, setup }] }
      const { signal } = controller
      await assert.rejects(benchmark.run(suite, { signal }), (reason) => reason === 'enough')
    }
  })

  test('tells of its progress', async () => {
    /** @type {types.BenchmarkProgress[]} */
    const told = []
    const { running } = run(() => 1, { onProgress: (progress) => told.push(progress) })
    await running
    const of = { suite: 'suite', test: 'test', index: 0, tests: 1 }
    assert.deepEqual(told, [
      { ...of, iterations: 0 },
      { ...of, iterations: 10 },
    ])
  })

  test('ends with the error of a listener', async () => {
    const error = new Error('enough')
    const onProgress = () => {
      throw error
    }
    await assert.rejects(run(() => 1, { onProgress }).running, (found) => found === error)
  })

  test('has its options checked', async () => {
    const wrong = /** @type {any} */ (5)
    await assert.rejects(run(() => 1, { signal: wrong }).running, { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(run(() => 1, { onProgress: wrong }).running, {
      code: 'ERR_INVALID_ARG_TYPE',
    })
  })
})

describe('a histogram', () => {
  const benchmark = new PerformanceBenchmark({ silent: true })

  test('has a row for each step, and one for what lies far out', () => {
    const rows = benchmark.histogram(
      [...Array.from({ length: 200 }, (_, index) => index % 4), 1000],
      4,
    )
    assert.deepEqual(
      rows.map(({ from, to, count }) => [from, to, count]),
      [
        [0, 0.75, 50],
        [0.75, 1.5, 50],
        [1.5, 2.25, 50],
        [2.25, 3, 50],
        [3, 1000, 1],
      ],
    )
    assert.equal([...rows[0].bar].length, 40)
    assert.deepEqual(benchmark.histogram([]), [])
  })

  test('has finite limits, whatever the values', () => {
    const rows = benchmark.histogram([1e308, -1e308, 0, 5], 4)
    assert.deepEqual(
      rows.map(({ from, to, count }) => [from, to, count]),
      [
        [-1e308, -5e307, 1],
        [-5e307, 0, 0],
        [0, 5e307, 2],
        [5e307, 1e308, 1],
      ],
    )
    assert.equal(benchmark.histogram([5e-324, 0, 1e-323], 9).length, 1)
  })

  test('checks its arguments', () => {
    assert.throws(() => benchmark.histogram([1], 0), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => benchmark.histogram(/** @type {any} */ ('1')), TypeError)
  })
})
