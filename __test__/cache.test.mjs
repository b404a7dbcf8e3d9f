// @ts-check
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, mock, test } from 'node:test'
import fc from 'fast-check'
import { GitHubAPICache } from '../lib/index.js'

/** @type {string} */
let folder
/** @type {import('node:test').Mock<typeof console.warn>} */
let warn
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'cache-'))
  warn = mock.method(console, 'warn', () => {})
})
afterEach(async () => {
  mock.timers.reset()
  warn.mock.restore()
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

/** @param {import('../lib/index.js').CacheOptions} [options] */
const open = (options, ttl = 60_000) => new GitHubAPICache(folder, ttl, options)
/** @param {unknown} url @param {unknown} [headers] */
const reference = (url, headers = {}) =>
  createHash('sha256').update(JSON.stringify({ url, headers })).digest('hex')

test('constructs with the defaults, and not without new', () => {
  const cache = new GitHubAPICache()
  assert.equal(cache.cacheDir, '.aiwf/cache')
  assert.equal(cache.ttl, 300_000)
  assert.throws(() => /** @type {any} */ (GitHubAPICache)(), TypeError)
  for (const [bad, expected] of /** @type {[any[], object][]} */ ([
    [[1], { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }],
    [['x', '5'], { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }],
    [['x', -1], { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }],
    [['x', 1, { maxEntries: -1 }], { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }],
  ])) {
    assert.throws(() => new GitHubAPICache(...bad), expected)
  }
})

test('init makes the folder, for this user only', async () => {
  const cache = new GitHubAPICache(path.join(folder, 'a/b'))
  await cache.init()
  await cache.set('u', 1)
  if (process.platform === 'win32') return
  const found = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  assert.ok(found.some((entry) => entry.isFile()))
  for (const entry of found) {
    const { mode } = fs.statSync(path.join(entry.parentPath, entry.name))
    assert.equal(mode & 0o777, entry.isFile() ? 0o600 : 0o700, entry.name)
  }
})

test('keys are those of the reference, for any input', () => {
  const cache = open()
  assert.equal(cache.generateCacheKey('u'), reference('u'))
  const anything = fc.anything({ withDate: true, withSparseArray: true })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), anything, (url, headers) => {
      const given = /** @type {any} */ (headers)
      assert.equal(cache.generateCacheKey(url, given), reference(url, headers))
    }),
  )
  for (const url of ['\ud800', '\ufffd', '한글', '"\\\n', undefined, 5, null]) {
    assert.equal(cache.generateCacheKey(/** @type {any} */ (url)), reference(url))
  }
})

test('a memory hit is the same object; a disk hit is equal and moves into memory', async () => {
  const cache = open()
  const value = { deep: [1, { a: 'ä' }] }
  await cache.set('u', value, { b: 1 })
  assert.equal(await cache.get('u', { b: 1 }), value)
  assert.equal(await cache.get('u'), null)
  assert.equal(await cache.get('u', { b: 2 }), null)

  const other = open()
  const [first, second] = await Promise.all([other.get('u', { b: 1 }), other.get('u', { b: 1 })])
  assert.deepEqual(first, value)
  assert.equal(second, first)
  assert.equal(await other.get('u', { b: 1 }), first)
  assert.equal(other.memoryCache.size, 1)
})

test('every way to say that there are no headers is one request', async () => {
  const cache = open()
  const value = {}
  await cache.set('u', value)
  assert.equal(await cache.get('u', undefined), value)
  assert.equal(await cache.get('u', {}), value)
  assert.equal(await cache.get('u', { dropped: undefined }), value)
  assert.equal(await cache.get('u', /** @type {any} */ (null)), null)
})

test('URLs that differ in lone surrogates only are kept apart', async () => {
  const cache = open()
  await cache.set('\ud800', 1)
  await cache.set('\ufffd', 2)
  await cache.set('\udc00', 3)
  for (const reader of [cache, open()]) {
    assert.equal(await reader.get('\ud800'), 1)
    assert.equal(await reader.get('\ufffd'), 2)
    assert.equal(await reader.get('\udc00'), 3)
  }
})

test('falsy values are hits, in both tiers', async () => {
  const cache = open()
  for (const value of [0, false, '', [], null]) {
    await cache.set('u', value)
    for (const reader of [cache, open()]) {
      assert.deepEqual(await reader.get('u'), value)
      const fetched = await reader.getOrFetch('u', () => assert.fail('fetched'))
      assert.deepEqual(fetched, value)
      assert.equal(reader.stats.misses, 0)
    }
  }
})

test('entries are fresh strictly before the ttl in force when they are read', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open({}, 100)
  await cache.set('u', 1)
  await cache.set('own', 2, {}, { ttl: 1_000 })
  mock.timers.tick(99)
  assert.equal(await cache.get('u'), 1)
  assert.equal(await open({}, 100).get('u'), 1)
  mock.timers.tick(1)
  assert.equal(await cache.get('u'), null)
  assert.equal(await open({}, 100).get('u'), null)
  cache.ttl = 101
  assert.equal(await cache.get('u'), 1)
  cache.ttl = 0
  assert.equal(await cache.get('u'), null)
  assert.equal(await cache.get('own'), 2)
  assert.equal(await open({}, 0).get('own'), 2)
  mock.timers.tick(900)
  assert.equal(await cache.get('own'), null)
})

test('a clock that is set back keeps nothing longer than its ttl', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open({}, 100)
  await cache.set('u', 1)
  mock.timers.setTime(1e12 - 99)
  assert.equal(await cache.get('u'), 1)
  mock.timers.setTime(1e12 - 100)
  assert.equal(await cache.get('u'), null)
  await cache.set('u', 2)
  assert.equal(await cache.get('u'), 2)
  assert.equal(await open({}, 100).get('u'), 2)
})

test('getOrFetch calls once for all who ask, and caches the result', async () => {
  const cache = open()
  let calls = 0
  /** @type {(value: object) => void} */
  let answer = () => {}
  const fetch = () => {
    calls++
    return new Promise((resolve) => {
      answer = resolve
    })
  }
  const callers = Array.from({ length: 1_000 }, () => cache.getOrFetch('u', fetch))
  assert.equal(cache.pendingRequests.size, 1)
  assert.ok(cache.pendingRequests.has(cache.generateCacheKey('u')))
  while (calls === 0) await new Promise(setImmediate)
  const value = {}
  answer(value)
  for (const result of await Promise.all(callers)) assert.equal(result, value)
  assert.equal(calls, 1)
  assert.equal(cache.pendingRequests.size, 0)
  assert.equal(await cache.getOrFetch('u', fetch), value)
  const other = open()
  assert.deepEqual(await Promise.all([1, 2].map(() => other.getOrFetch('u', fetch))), [{}, {}])
  assert.deepEqual(other.stats, { hits: 2, misses: 0, requests: 2 })
  assert.equal(calls, 1)
})

test('an error of fetchFunction reaches all unchanged and is not cached', async () => {
  const cache = open()
  for (const failure of [new Error('down'), 'a string', undefined]) {
    const before = failure instanceof Error ? failure.stack : ''
    for (const fail of [
      () => {
        throw failure
      },
      () => Promise.reject(failure),
    ]) {
      const callers = [1, 2, 3].map(() => cache.getOrFetch('u', fail))
      for (const { status, reason } of /** @type {any[]} */ (await Promise.allSettled(callers))) {
        assert.equal(status, 'rejected')
        assert.equal(reason, failure)
      }
      assert.equal(cache.pendingRequests.size, 0)
    }
    if (failure instanceof Error) assert.equal(failure.stack, before)
  }
  assert.equal(await cache.getOrFetch('u', () => 'plain'), 'plain')
  await assert.rejects(cache.getOrFetch('u', /** @type {any} */ (5)), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
})

test('statistics count look-ups, and hits never exceed them', async () => {
  const cache = open()
  assert.equal(cache.getStats().hitRate, '0%')
  await cache.get('u')
  await cache.set('u', 1)
  await cache.get('u')
  await cache.getOrFetch('u', () => 2)
  const expected = { hits: 2, misses: 1, requests: 1, hitRate: '66.67%', memorySize: 1 }
  assert.deepEqual(cache.getStats(), { ...expected, cacheDir: folder })
  const { stats } = cache
  await cache.clear()
  assert.deepEqual(stats, { hits: 0, misses: 0, requests: 0 })
  assert.equal(cache.stats, stats)
})

test('cleanup removes what has expired, in both tiers', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open({}, 100)
  for (let index = 0; index < 20; index++) await cache.set(`old${index}`, 'x'.repeat(1_000))
  mock.timers.tick(60)
  await cache.set('young', 1)
  mock.timers.tick(60)
  fs.writeFileSync(path.join(folder, 'mine.json'), '{}')
  const { freedBytes, ...rest } = await cache.cleanup()
  assert.deepEqual(rest, {
    expiredMemoryKeys: 20,
    expiredDiskEntries: 20,
    message: 'Cleaned up 20 expired cache entries',
  })
  assert.deepEqual([...cache.memoryCache.keys()], [cache.generateCacheKey('young')])
  assert.equal((await cache.diskStats()).entries, 1)
  assert.equal(await open({}, 100).get('young'), 1)
  cache.ttl = 1e9
  assert.equal(await cache.get('old1'), null)
  assert.equal(freedBytes, 0)
  mock.timers.tick(1e9)
  const all = await cache.cleanup()
  assert.ok(all.freedBytes > 20_000, `${all.freedBytes}`)
  assert.deepEqual(await cache.diskStats(), { entries: 0, bytes: 0 })
  assert.ok(fs.existsSync(path.join(folder, 'mine.json')))
})

test('clear empties both tiers, for everybody, and leaves strange files alone', async () => {
  const cache = open()
  const other = open()
  await cache.set('u', 1)
  await other.set('v', 1)
  const strange = [`${'a'.repeat(64)}.json`, 'notes.json', `${'A'.repeat(64)}.json`]
  for (const name of strange) fs.writeFileSync(path.join(folder, name), '{ "mine": true }')
  const legacy = path.join(folder, `${'b'.repeat(64)}.json`)
  fs.writeFileSync(legacy, '{ "data": 1, "timestamp": 1 }')
  await cache.clear()
  assert.equal(cache.memoryCache.size, 0)
  assert.equal(await cache.get('u'), null)
  assert.equal(await cache.get('v'), null)
  assert.equal(await open().get('u'), null)
  assert.equal(await other.getFromDisk(other.generateCacheKey('v')), null)
  for (const name of strange) assert.ok(fs.existsSync(path.join(folder, name)))
  assert.ok(!fs.existsSync(legacy))
  await other.set('w', 2)
  assert.equal(await open().get('w'), 2)
})

test('delete removes one entry from both tiers', async () => {
  const cache = open()
  await cache.set('u', 1)
  await cache.set('v', 2)
  assert.equal(await cache.delete('u'), true)
  assert.equal(await cache.delete('u'), false)
  assert.equal(await cache.get('u'), null)
  assert.equal(await open().get('u'), null)
  assert.equal(await open().get('v'), 2)
  assert.equal(await open().delete('v'), true)
})

test('memoryCache is a live Map of the memory tier', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open()
  const view = cache.memoryCache
  const key = cache.generateCacheKey('u')
  const value = {}
  await cache.set('u', value)
  assert.equal(view.size, 1)
  assert.ok(view.has(key) && !view.has('x'))
  assert.deepEqual(view.get(key), { data: value, timestamp: 1e12 })
  assert.equal(view.get(key)?.data, value)
  assert.equal(view.get('x'), undefined)
  assert.equal(view.set('x', { data: 5, timestamp: 1e12 - 1 }), view)
  assert.deepEqual([...view.keys()], [key, 'x'])
  assert.deepEqual(
    [...view.values()].map(({ data }) => data),
    [value, 5],
  )
  assert.deepEqual([...view], [...view.entries()])
  /** @type {string[]} */
  const visited = []
  view.forEach((_, name) => {
    visited.push(name)
  })
  assert.deepEqual(visited, [key, 'x'])
  assert.equal(cache.getFromMemory('x'), 5)
  assert.equal(view.delete('x'), true)
  assert.equal(view.delete('x'), false)
  view.set(key, { data: 'replaced', timestamp: 1e12 })
  assert.equal(await cache.get('u'), 'replaced')
  view.clear()
  assert.equal(view.size, 0)
  assert.deepEqual(await cache.get('u'), value)
})

test('the tier primitives work by key', async () => {
  const cache = open()
  await cache.saveToCache('any name', { a: 1 })
  assert.equal(cache.getFromMemory('nothing'), null)
  assert.deepEqual(cache.getFromMemory('any name'), { a: 1 })
  assert.deepEqual(await open().getFromDisk('any name'), { a: 1 })
  assert.equal(await cache.getFromDisk('nothing'), null)
  await cache.saveToCache(cache.generateCacheKey('u'), 7)
  assert.equal(await cache.get('u'), 7)
  assert.deepEqual(cache.stats, { hits: 2, misses: 0, requests: 0 })
})

test('wrong arguments are named', async () => {
  const cache = /** @type {any} */ (open())
  const timestamp = Date.now()
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  for (const key of [5, undefined, null, Symbol('key'), {}]) {
    assert.throws(() => cache.getFromMemory(key), type)
    await assert.rejects(cache.getFromDisk(key), type)
    await assert.rejects(cache.saveToCache(key, 1), type)
    for (const method of ['has', 'get', 'delete']) {
      assert.throws(() => cache.memoryCache[method](key), type)
    }
    assert.throws(() => cache.memoryCache.set(key, { data: 1, timestamp }), type)
    cache.generateCacheKey = () => key
    await assert.rejects(cache.get('u'), type)
    await assert.rejects(cache.set('u', 1), type)
    await assert.rejects(
      cache.getOrFetch('u', () => 1),
      type,
    )
    await assert.rejects(cache.delete('u'), type)
    delete cache.generateCacheKey
  }
  for (const [entry, error] of /** @type {[any, object][]} */ ([
    [undefined, type],
    [5, type],
    [{ data: 1 }, type],
    [{ data: 1, timestamp: 'now' }, type],
    [{ data: 1, timestamp: Number.NaN }, range],
    [{ data: 1, timestamp, ttl: '5' }, type],
    [{ data: 1, timestamp, ttl: -1 }, range],
  ])) {
    assert.throws(() => cache.memoryCache.set('k', entry), error)
  }
  assert.equal(cache.memoryCache.size, 0)
  await assert.rejects(cache.set('u', 1, {}, null), type)
  for (const options of [null, 5, { signal: {} }, { signal: 'stop' }]) {
    await assert.rejects(
      cache.getOrFetch('u', () => 1, {}, options),
      type,
    )
  }
})

test('a subclass decides what is the same request', async () => {
  class ByPath extends GitHubAPICache {
    /** @param {string} url */
    generateCacheKey(url) {
      return super.generateCacheKey(url.split('?')[0])
    }
  }
  const cache = new ByPath(folder)
  const value = {}
  await cache.set('u?a', value)
  assert.equal(await cache.get('u?b', { any: 1 }), value)
  assert.equal(await cache.getOrFetch('u', () => assert.fail('fetched')), value)
  assert.equal(cache.memoryCache.size, 1)
  assert.deepEqual(await new ByPath(folder).get('u?c'), value)
})

test('memory is bounded by entries and by bytes, and lets go of the values', async () => {
  const few = open({ maxEntries: 10 })
  for (let index = 0; index < 100; index++) await few.set(`u${index}`, index)
  assert.ok(few.memoryCache.size <= 10 && few.memoryCache.size > 0)
  assert.equal(few.getStats().memorySize, few.memoryCache.size)
  for (let index = 0; index < 100; index++) assert.equal(await few.get(`u${index}`), index)

  const small = open({ maxMemoryBytes: 10_000 })
  for (let index = 0; index < 100; index++) await small.set(`v${index}`, 'x'.repeat(1_000))
  assert.ok(small.memoryCache.size <= 9 && small.memoryCache.size > 0)
})

test('values that JSON cannot express stay in memory, with a warning each', async () => {
  const cache = open()
  /** @type {any} */
  const cycle = {}
  cycle.self = cycle
  for (const value of [cycle, 1n, () => {}, undefined]) {
    await cache.set('u', 'expressible')
    await cache.set('u', value)
    assert.equal(await cache.get('u'), value)
    assert.equal(await open().get('u'), null)
  }
  assert.equal(warn.mock.callCount(), 4)
})

test('without a usable folder the cache works in memory, with one warning', async () => {
  const file = path.join(folder, 'file')
  fs.writeFileSync(file, '')
  const cache = new GitHubAPICache(path.join(file, 'below'))
  await cache.init()
  await cache.init()
  await cache.set('u', 1)
  assert.equal(await cache.get('u'), 1)
  assert.equal(await cache.get('v'), null)
  await cache.cleanup()
  assert.equal(await cache.getOrFetch('w', () => 3), 3)
  await cache.clear()
  assert.equal(await cache.get('u'), null)
  assert.equal(warn.mock.callCount(), 1)
  assert.match(warn.mock.calls[0].arguments[0], /memory only: ENOTDIR/)
  cache.cacheDir = path.join(folder, 'other')
  await cache.set('u', 2)
  assert.equal(await new GitHubAPICache(path.join(folder, 'other')).get('u'), 2)
})

test('a folder deleted under a running cache is made again', async () => {
  const cache = open()
  await cache.set('u', 1)
  await rm(folder, { recursive: true })
  assert.equal(await cache.getFromDisk(cache.generateCacheKey('u')), null)
  await cache.set('v', 2)
  assert.equal(await open().get('v'), 2)
  assert.equal(await open().get('u'), null)
  assert.equal(warn.mock.callCount(), 0)
})

test('files of the reference are read and moved over', async () => {
  const cache = open()
  await cache.init()
  const file = path.join(folder, `${reference('u', { h: 1 })}.json`)
  const data = { name: '값', n: 12345.678 }
  fs.writeFileSync(file, JSON.stringify({ data, timestamp: Date.now() }, null, 2))
  assert.deepEqual(await cache.get('u', { h: 1 }), data)
  assert.ok(!fs.existsSync(file))
  assert.deepEqual(await open().get('u', { h: 1 }), data)

  const torn = path.join(folder, `${reference('torn')}.json`)
  fs.writeFileSync(torn, '{ "data": { "a": 1')
  assert.equal(await cache.get('torn'), null)
  assert.ok(!fs.existsSync(torn))

  const old = path.join(folder, `${reference('old')}.json`)
  fs.writeFileSync(old, JSON.stringify({ data, timestamp: 1 }))
  assert.equal(await cache.get('old'), null)
  await cache.set('old', 'new')
  assert.ok(!fs.existsSync(old))
})

test('the disk is bounded: what was used stays, overwriting costs no space', async () => {
  const limit = 100_000
  const cache = open({ maxDiskBytes: limit })
  const disk = async () => (await cache.diskStats()).bytes
  await cache.set('used', 'x'.repeat(1_000))
  for (let index = 0; index < 500; index++) {
    await cache.set(`u${index}`, 'y'.repeat(1_000))
    assert.equal((await cache.getFromDisk(cache.generateCacheKey('used')))?.length, 1_000)
    assert.ok((await disk()) <= limit)
  }
  const reader = open()
  assert.equal(await reader.get('u0'), null)
  assert.equal((await reader.get('u499')).length, 1_000)
  assert.equal((await reader.get('used')).length, 1_000)

  await cache.clear()
  for (let index = 0; index < 500; index++) await cache.set('same', 'z'.repeat(1_000))
  assert.ok((await disk()) < 20_000)

  await cache.set('huge', 'x'.repeat(limit))
  assert.equal((await cache.get('huge')).length, limit)
  assert.equal(await open().get('huge'), null)
})

test('a value of 50 MB', async () => {
  const value = Array.from({ length: 50 }, (_, index) => String(index % 10).repeat(1 << 20))
  await open().set('u', value)
  const read = await open().get('u')
  assert.deepEqual(read, value)
})

test('many entries written at once are all there', async () => {
  const cache = open()
  const count = 2_000
  await Promise.all(Array.from({ length: count }, (_, index) => cache.set(`u${index}`, index)))
  const reader = open()
  const read = await Promise.all(Array.from({ length: count }, (_, i) => reader.get(`u${i}`)))
  assert.deepEqual(read, [...Array(count).keys()])
})

test('staleWhileRevalidate answers at once and refreshes once in the background', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  for (const reopened of [false, true]) {
    let cache = open({ staleWhileRevalidate: 50 }, 100)
    await cache.set('u', 'old')
    mock.timers.tick(120)
    if (reopened) cache = open({ staleWhileRevalidate: 50 }, 100)
    let calls = 0
    /** @type {(value: string) => void} */
    let answer = () => {}
    const fetch = () => {
      calls++
      return new Promise((resolve) => {
        answer = resolve
      })
    }
    const read = () => cache.getOrFetch('u', fetch)
    assert.deepEqual(await Promise.all([read(), read()]), ['old', 'old'])
    assert.equal(await read(), 'old')
    assert.equal(calls, 1)
    assert.equal(await cache.get('u'), null)
    answer('new')
    while ((await read()) !== 'new') await new Promise(setImmediate)
    assert.equal(calls, 1)
    mock.timers.tick(150)
    assert.equal(await cache.getOrFetch('u', async () => 'newer'), 'newer')
    await cache.clear()
  }
})

test('a refresh that fails leaves the stale value, until its time is up', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open({ staleWhileRevalidate: 50 }, 100)
  const down = new Error('down')
  const fail = () => Promise.reject(down)
  await cache.set('u', 'old')
  mock.timers.tick(149)
  assert.equal(await cache.getOrFetch('u', fail), 'old')
  await new Promise(setImmediate)
  mock.timers.tick(1)
  await assert.rejects(cache.getOrFetch('u', fail), (error) => error === down)
})

test('staleIfError answers with the stale value when fetchFunction fails', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open({ staleIfError: 50 }, 100)
  const down = new Error('down')
  const fail = () => {
    throw down
  }
  await cache.set('u', 'old')
  mock.timers.tick(149)
  assert.equal(await cache.getOrFetch('u', fail), 'old')
  assert.equal(await open({ staleIfError: 50 }, 100).getOrFetch('u', fail), 'old')
  mock.timers.tick(1)
  await assert.rejects(cache.getOrFetch('u', fail), (error) => error === down)
  assert.equal(await cache.getOrFetch('u', () => 'new'), 'new')
})
