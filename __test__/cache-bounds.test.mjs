// @ts-check
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { GitHubAPICache } from '../lib/index.js'
import { workspace } from './support/workspace.mjs'

test('the bounds of a working cache can be changed, and the newest stay', async (t) => {
  const cache = new GitHubAPICache(await workspace(t), 300_000, { maxEntries: 10 })
  await cache.init()
  assert.deepEqual([cache.maxEntries, cache.maxMemoryBytes], [10, 64 * 2 ** 20])
  const values = Array.from({ length: 10 }, (_, at) => ({ at }))
  for (const value of values) await cache.set(`${value.at}`, value)
  assert.equal(cache.memoryFill, 1)

  cache.maxEntries = 4
  assert.equal(cache.getStats().memorySize, 4)
  const kept = [...cache.memoryCache.values()].map(({ data }) => data.at)
  assert.deepEqual(kept.toSorted(), [6, 7, 8, 9])
  // The very objects, and what left comes back from the disk.
  assert.equal(await cache.get('9'), values[9])
  const again = await cache.get('0')
  assert.ok(again !== values[0] && again.at === 0)

  cache.maxEntries = 20
  for (const value of values) await cache.set(`${value.at}`, value)
  assert.equal(cache.getStats().memorySize, 10)
  cache.maxMemoryBytes = 1
  assert.equal(cache.getStats().memorySize, 0)
  await cache.set('large', 'text')
  assert.equal(cache.getStats().memorySize, 0)
  assert.equal(await cache.get('large'), 'text')
})

test('a full memory tier takes new values, however popular or expired the old ones are', async (t) => {
  const file = path.join(await workspace(t), 'file')
  await writeFile(file, '')
  // There is no disk to fall back on.
  t.mock.method(console, 'warn', () => {})
  const cache = new GitHubAPICache(path.join(file, 'none'), 300_000, { maxEntries: 50 })
  for (let at = 0; at < 50; at++) {
    await cache.set(`old${at}`, at)
    for (let hit = 0; hit < 100; hit++) await cache.get(`old${at}`)
  }
  let calls = 0
  for (let at = 0; at < 50; at++) {
    for (let again = 0; again < 3; again++) {
      assert.equal(await cache.getOrFetch(`new${at}`, () => ++calls), at + 1)
    }
    await cache.set(`large${at}`, 1n)
    assert.equal(await cache.get(`large${at}`), 1n)
  }
  assert.equal(cache.memoryCache.size, 50)
})

test('wrong bounds are refused', () => {
  const cache = /** @type {any} */ (new GitHubAPICache())
  for (const [name, value, code] of [
    ['maxEntries', 0, 'ERR_OUT_OF_RANGE'],
    ['maxEntries', 1.5, 'ERR_OUT_OF_RANGE'],
    ['maxMemoryBytes', 0, 'ERR_OUT_OF_RANGE'],
    ['maxMemoryBytes', '1', 'ERR_INVALID_ARG_TYPE'],
  ]) {
    assert.throws(
      () => {
        cache[name] = value
      },
      { code },
    )
  }
  assert.deepEqual([cache.maxEntries, cache.maxMemoryBytes], [1000, 64 * 2 ** 20])
})

test('bounds on disk that hold next to nothing are kept to', async (t) => {
  for (const maxDiskBytes of [1, 15, 16, 100, 255, 256, 1_000]) {
    const cache = new GitHubAPICache(await workspace(t), 300_000, { maxDiskBytes })
    for (const value of [1, 2, 'x'.repeat(20)]) {
      await cache.set('u', value)
      assert.equal(await cache.get('u'), value)
    }
    assert.deepEqual(await cache.verify(), { damagedEntries: 0, damagedBytes: 0 })
    assert.ok((await cache.diskStats()).bytes <= maxDiskBytes)
    await cache.delete('u')
    await cache.cleanup()
    assert.deepEqual(await cache.verify(), { damagedEntries: 0, damagedBytes: 0 })
  }
})

test('a value too large for the disk leaves no earlier one there', async (t) => {
  const folder = await workspace(t)
  const cache = new GitHubAPICache(folder, 300_000, { maxDiskBytes: 100_000 })
  await cache.set('u', 'old')
  const large = 'x'.repeat(200_000)
  await cache.set('u', large)
  assert.equal(await cache.get('u'), large)
  assert.equal(await new GitHubAPICache(folder).get('u'), null)
})
