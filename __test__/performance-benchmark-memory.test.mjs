// @ts-check
// What the benchmark does with the other engines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BenchmarkSuites, MemoryProfiler, PerformanceBenchmark } from '../lib/index.js'

const quiet = { silent: true, warmupIterations: 0, iterations: 3 }

test('memoryProfiling adds the memory report', async () => {
  const benchmark = new PerformanceBenchmark({ ...quiet, memoryProfiling: true })
  assert(benchmark.memoryProfiler instanceof MemoryProfiler)
  const suite = { name: 'suite', tests: [{ name: 'test', fn: async () => {} }] }
  const results = await Promise.all([benchmark.run(suite), benchmark.run(suite)])
  for (const { memoryReport } of results) {
    assert('statistics' in /** @type {object} */ (memoryReport))
  }
  assert.equal(/** @type {any} */ (benchmark.memoryProfiler).profiling, false)
})

test('GitHub API Cache', async () => {
  const suite = BenchmarkSuites.githubAPICache()
  assert.equal(suite.name, 'GitHub API Cache')
  assert.deepEqual(
    suite.tests.map(({ name }) => name),
    ['Cache Hit Performance'],
  )
  const { tests } = await new PerformanceBenchmark(quiet).run(suite)
  assert.equal(tests[0].status, 'completed', tests[0].error)
  assert.equal(tests[0].metrics.throughput.length, 3)
})
