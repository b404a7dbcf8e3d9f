// @ts-check
// What is stored or removed while the disk is being read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GitHubAPICache } from '../lib/index.js'
import { workspace } from './support/workspace.mjs'

/** A cache of a folder where `u` is `old`, and a read of that under way. @param {import('node:test').TestContext} t */
async function reading(t) {
  const folder = await workspace(t)
  await new GitHubAPICache(folder).set('u', 'old')
  const cache = new GitHubAPICache(folder)
  return { cache, read: cache.get('u'), folder }
}

test('what was deleted or cleared meanwhile does not come back', async (t) => {
  for (const remove of [
    (/** @type {GitHubAPICache} */ cache) => cache.delete('u'),
    (/** @type {GitHubAPICache} */ cache) => cache.clear(),
    (/** @type {GitHubAPICache} */ cache) =>
      cache.set('u', 'new', {}, { response: { headers: { 'cache-control': 'no-store' } } }),
  ]) {
    const { cache, read } = await reading(t)
    const removed = remove(cache)
    assert.equal(await cache.get('u'), null)
    await Promise.all([removed, read])
    assert.equal(cache.memoryCache.size, 0)
    assert.equal(await cache.get('u'), null)
  }
})

test('what was stored meanwhile stays, whatever the clock says', async (t) => {
  const { now } = Date
  t.after(() => {
    Date.now = now
  })
  for (const back of [0, 60_000]) {
    const start = now()
    Date.now = () => start
    const { cache, read, folder } = await reading(t)
    Date.now = () => start - back
    await cache.set('u', 'new')
    assert.equal(await read, 'new')
    assert.equal(await cache.get('u'), 'new')
    assert.equal(await new GitHubAPICache(folder).get('u'), 'new')
  }
})

test('what was stored meanwhile and has left memory is found on disk', async (t) => {
  const cache = new GitHubAPICache(await workspace(t))
  const first = cache.set('u', 'old')
  cache.memoryCache.clear()
  const read = cache.get('u')
  const second = cache.set('u', 'new')
  cache.memoryCache.clear()
  await Promise.all([first, second, read])
  assert.equal(await cache.get('u'), 'new')
})

test('what was stored meanwhile and has expired is not served', async (t) => {
  const { cache, read } = await reading(t)
  await cache.set('u', 'new', {}, { ttl: 0 })
  assert.equal(await read, null)
  assert.deepEqual([cache.stats.hits, cache.stats.misses], [0, 1])
})

test('an expired value in memory that is newer than that on disk is not served', async (t) => {
  const cache = new GitHubAPICache(await workspace(t))
  await cache.saveToCache('k', 'disk')
  cache.memoryCache.set('k', { data: 'memory', timestamp: Date.now() + 1, ttl: 0 })
  assert.equal(cache.getFromMemory('k'), null)
  assert.equal(await cache.getFromDisk('k'), 'disk')
  assert.equal(cache.memoryCache.get('k')?.data, 'memory')
})

test('getFromDisk gives the value on disk, also where memory has a newer one', async (t) => {
  const cache = new GitHubAPICache(await workspace(t))
  await cache.saveToCache('k', 'disk')
  cache.memoryCache.set('k', { data: 'memory', timestamp: Date.now() + 1 })
  assert.equal(await cache.getFromDisk('k'), 'disk')
  assert.equal(cache.getFromMemory('k'), 'memory')
})

test('who leaves while the disk is read does not have it fetched', async (t) => {
  const cache = new GitHubAPICache(await workspace(t))
  const controller = new AbortController()
  const reason = new Error('enough')
  let calls = 0
  const leaving = cache.getOrFetch('u', () => ++calls, {}, { signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(leaving, (error) => error === reason)
  // What was asked of the disk before is done when this is.
  await cache.diskStats()
  assert.equal(await cache.getOrFetch('v', () => 'other'), 'other')
  assert.equal(calls, 0)
  assert.equal(await cache.getOrFetch('u', () => ++calls), 1)
})

test('a request that cannot be learnt is fetched all the same, and its failure is told once', async (t) => {
  class OwnKeys extends GitHubAPICache {
    /** @param {string} url */
    generateCacheKey(url) {
      return url
    }
  }
  const cache = new OwnKeys(await workspace(t), 300_000, { prefetch: () => 1 })
  const headers = { id: 1n }
  assert.equal(await cache.getOrFetch('u', () => 'value', headers), 'value')
  const failure = new Error('failed')
  const failing = cache.getOrFetch('v', () => Promise.reject(failure), headers)
  await assert.rejects(failing, (error) => error === failure)
})
