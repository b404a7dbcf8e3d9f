// @ts-check
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  AutoTuner,
  FileBatchProcessor,
  GitHubAPICache,
  Monitor,
  OptimizedGitHubClient,
} from '../lib/index.js'
import { workspace } from './support/workspace.mjs'

/** A tuner that is told the memory pressure. */
class Told extends AutoTuner {
  pressure = 0.1
  /** @override */
  memoryPressure() {
    return this.pressure
  }
}

/**
 * Files that are written while a tuner observes.
 *
 * @param {FileBatchProcessor} processor
 * @param {AutoTuner} tuner
 * @param {string} folder
 * @param {number} rounds
 */
async function tuneWrites(processor, tuner, folder, rounds) {
  const decisions = []
  for (let round = 0; round < rounds; round++) {
    const writes = Array.from({ length: 100 }, (_, at) =>
      processor.addWriteOperation(join(folder, `${at}`), 'x'),
    )
    // Some are done, and others wait: only then does the concurrency matter.
    await writes[0]
    decisions.push(...tuner.observe())
    await Promise.all(writes)
  }
  return decisions
}

describe('AutoTuner', () => {
  test('tunes a working processor, tells why, and replays it all', async (t) => {
    const folder = await workspace(t)
    const processor = new FileBatchProcessor({ maxConcurrency: 4, batchSize: 8 })
    const tuner = new Told().attach(processor, { maxConcurrency: { max: 8 } })
    /** @type {unknown[]} */
    const heard = []
    tuner.on('decision', (decision) => heard.push(decision))
    const decisions = await tuneWrites(processor, tuner, folder, 40)

    assert.ok(decisions.length > 0)
    const [first] = decisions
    assert.deepEqual(
      [first.target, first.setting, first.from, first.to, first.reason],
      ['FileBatchProcessor', 'maxConcurrency', 4, 5, 'to see what another value does'],
    )
    assert.ok(first.observation.throughput > 0 && first.observation.saturated)
    const last = decisions.findLast(({ setting }) => setting === 'maxConcurrency')
    assert.equal(processor.maxConcurrency, last?.to)
    assert.ok(decisions.every(({ setting, to }) => setting === 'batchSize' || (to >= 1 && to <= 8)))
    assert.deepEqual(heard, decisions)
    assert.deepEqual(tuner.log, decisions)

    const recording = JSON.parse(JSON.stringify(tuner.recording(processor)))
    assert.equal(recording.observations.length, 40)
    assert.deepEqual(AutoTuner.replay(recording), decisions)
  })

  test('tunes a cache above 2 GiB', () => {
    const cache = new GitHubAPICache(undefined, undefined, { maxMemoryBytes: 2 ** 32 })
    const tuner = new Told().attach(cache)
    tuner.pressure = 0.95
    tuner.observe()
    assert.equal(cache.maxMemoryBytes, 2 ** 31)
  })

  test('tunes the cache of a client once', async (t) => {
    const client = new OptimizedGitHubClient(undefined, { cacheDir: await workspace(t) })
    const tuner = new Told().attach(client).attach(client.cache)
    tuner.pressure = 0.95
    const settings = tuner.observe().map(({ setting }) => setting)
    assert.deepEqual(settings, ['maxEntries', 'maxMemoryBytes'])
    assert.deepEqual(tuner.recording(client), tuner.recording(client.cache))
    assert.ok(tuner.detach(client.cache))
    assert.ok(!tuner.detach(client))
  })

  test('backs off from memory pressure, also when nothing is to be done', () => {
    const processor = new FileBatchProcessor({ maxConcurrency: 10, batchSize: 50 })
    const cache = new GitHubAPICache()
    const tuner = new Told({ highPressure: 0.9 }).attach(processor).attach(cache)
    assert.deepEqual(tuner.observe(), [])
    tuner.pressure = 0.95
    const halved = tuner.observe().map(({ setting, from, to, reason }) => {
      assert.equal(reason, 'memory is short: 95 % is used')
      return [setting, from, to]
    })
    assert.deepEqual(halved, [
      ['maxConcurrency', 10, 5],
      ['batchSize', 50, 25],
      ['maxEntries', 1000, 500],
      ['maxMemoryBytes', 64 * 2 ** 20, 32 * 2 ** 20],
    ])
    assert.deepEqual([processor.maxConcurrency, processor.batchSize], [5, 25])
    assert.deepEqual([cache.maxEntries, cache.maxMemoryBytes], [500, 32 * 2 ** 20])
    for (let count = 0; count < 20; count++) tuner.observe()
    assert.deepEqual([processor.maxConcurrency, cache.maxEntries], [1, 100])
  })

  test('gives a full cache that misses more room', async (t) => {
    const cache = new GitHubAPICache(await workspace(t), 300_000, { maxEntries: 100 })
    const tuner = new Told().attach(cache)
    const visit = async () => {
      for (let at = 0; at < 150; at++) await cache.getOrFetch(`${at}`, async () => at)
    }
    await visit()
    assert.ok(cache.memoryFill >= 0.9)
    const decisions = []
    // Three are judged together.
    for (let count = 0; count < 3; count++) {
      await visit()
      decisions.push(...tuner.observe())
    }
    assert.equal(decisions.length, 1)
    const [decision] = decisions
    assert.deepEqual([decision.setting, decision.from, decision.to], ['maxEntries', 100, 125])
    assert.equal(cache.maxEntries, 125)
  })

  test('does nothing before it is started, and keeps nothing alive', (t) => {
    const idle = new Told()
    assert.equal(idle.running, false)
    assert.equal(idle.start().running, true)
    idle.stop()
    assert.equal(idle.running, false)

    t.mock.timers.enable({ apis: ['setInterval'] })
    const processor = new FileBatchProcessor({ maxConcurrency: 8 })
    const tuner = new Told({ interval: 500 }).attach(processor)
    tuner.pressure = 1
    t.mock.timers.tick(5000)
    assert.equal(processor.maxConcurrency, 8)
    tuner.start().start()
    t.mock.timers.tick(500)
    assert.equal(processor.maxConcurrency, 4)
    tuner.stop()
    t.mock.timers.tick(5000)
    assert.equal(processor.maxConcurrency, 4)

    const index = fileURLToPath(new URL('../lib/index.js', import.meta.url))
    const code = `new (require(${JSON.stringify(index)}).AutoTuner)().start()`
    assert.equal(spawnSync(process.execPath, ['-e', code], { timeout: 60_000 }).status, 0)
  })

  test('leaves alone what it is not to tune, and goes on from what others write', () => {
    const processor = new FileBatchProcessor({ maxConcurrency: 'auto', batchSize: 40 })
    const tuner = new Told().attach(processor)
    tuner.pressure = 1
    assert.deepEqual(
      tuner.observe().map(({ setting }) => setting),
      ['batchSize'],
    )
    assert.equal(processor.maxConcurrency, 'auto')
    processor.batchSize = 2000
    assert.equal(tuner.observe()[0].to, 1000)
    assert.equal(tuner.recording(processor).observations[1].settings?.[0].value, 2000)
    processor.maxConcurrency = 16
    assert.equal(tuner.observe()[0].from, 16)
    processor.maxConcurrency = 'auto'
    assert.ok(tuner.observe().every(({ setting }) => setting === 'batchSize'))
    assert.equal(processor.maxConcurrency, 'auto')
    const recording = JSON.parse(JSON.stringify(tuner.recording(processor)))
    assert.deepEqual(AutoTuner.replay(recording), tuner.log)
    assert.ok(tuner.detach(processor) && !tuner.detach(processor))
    assert.deepEqual(tuner.observe(), [])
    assert.throws(() => tuner.recording(processor), { code: 'ERR_AIWF_NOT_ATTACHED' })
  })

  test('logs all it has applied, whatever a listener does', () => {
    const processor = new FileBatchProcessor({ maxConcurrency: 16, batchSize: 50 })
    const tuner = new Told().attach(processor)
    tuner.on('decision', () => {
      throw new Error('busy')
    })
    tuner.pressure = 1
    assert.throws(() => tuner.observe(), /busy/)
    assert.deepEqual(
      tuner.log.map(({ to }) => to),
      [processor.maxConcurrency, processor.batchSize],
    )
  })

  test('is watched by a monitor', () => {
    const processor = new FileBatchProcessor()
    const tuner = new Told().attach(processor)
    const monitor = new Monitor().attach(tuner)
    tuner.pressure = 1
    tuner.observe()
    const [{ type, stats }] = monitor.generateDashboardData().sources
    assert.equal(type, 'tuner')
    assert.deepEqual(stats, { running: false, log: tuner.log })
  })

  test('knows the memory there is', () => {
    const share = new AutoTuner().memoryPressure()
    assert.ok(share > 0 && share < 1, String(share))
  })

  test('checks its arguments', () => {
    const create = /** @type {any} */ (AutoTuner)
    assert.throws(() => create(), TypeError)
    assert.throws(() => new create({ interval: 1 }), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => new create({ highPressure: 0.5, lowPressure: 0.6 }), {
      code: 'ERR_OUT_OF_RANGE',
    })
    const tuner = new create()
    assert.throws(() => tuner.attach({}), { code: 'ERR_INVALID_ARG_TYPE' })
    const processor = new FileBatchProcessor()
    for (const limits of [
      { maxConcurrency: { max: 5 } },
      { maxConcurrency: { min: 11 } },
      { batchSize: { min: 0 } },
      { maxEntries: { max: 5000 } },
    ]) {
      assert.throws(() => tuner.attach(processor, limits), { code: 'ERR_OUT_OF_RANGE' })
    }
    const automatic = new FileBatchProcessor({ maxConcurrency: 'auto' })
    assert.throws(() => tuner.attach(automatic, { maxConcurrency: { min: 5, max: 4 } }), {
      code: 'ERR_OUT_OF_RANGE',
    })
    const recording = tuner.attach(processor).recording(processor)
    for (const wrong of [
      {},
      { ...recording, settings: [{}] },
      { ...recording, settings: [{ ...recording.settings[0], max: 1 }] },
      { ...recording, observations: [{}] },
      { ...recording, observations: undefined },
    ]) {
      assert.throws(() => AutoTuner.replay(/** @type {any} */ (wrong)), {
        code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/,
      })
    }
    class Wrong extends AutoTuner {
      /** @override */
      memoryPressure() {
        return Number.NaN
      }
    }
    assert.throws(() => new Wrong().observe(), { code: 'ERR_OUT_OF_RANGE' })
  })
})
