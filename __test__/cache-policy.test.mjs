// @ts-check
// How long entries live, and what is fetched when: beyond the plain ttl of cache.test.mjs.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { GitHubAPICache } from '../lib/index.js'

/** @type {string} */
let folder
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'cache-'))
})
afterEach(async () => {
  mock.timers.reset()
  // A cache may be sweeping it yet.
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

/** @param {import('../lib/index.js').CacheOptions} [options] */
const open = (options, ttl = 60_000) => new GitHubAPICache(folder, ttl, options)

/** Until `done` says so. @param {() => unknown} done */
async function until(done) {
  while (!(await done())) await new Promise(setImmediate)
}

test('options are checked', () => {
  for (const [options, name] of /** @type {[any, string][]} */ ([
    [{ jitter: 2 }, 'options.jitter'],
    [{ jitter: '1' }, 'options.jitter'],
    [{ adaptiveTtl: { min: 5, max: 1 } }, 'options.adaptiveTtl.max'],
    [{ adaptiveTtl: { max: 1 } }, 'options.adaptiveTtl.min'],
    [{ prefetch: true }, 'options.prefetch'],
    [{ sweepInterval: -1 }, 'options.sweepInterval'],
    [{ maxStale: '1' }, 'options.maxStale'],
    [{ ttlByContentType: 5 }, 'options.ttlByContentType'],
    [{ ttlByContentType: { html: 5 } }, 'options.ttlByContentType'],
    [{ ttlByContentType: { '*/html': 5 } }, 'options.ttlByContentType'],
    [{ ttlByContentType: { 'text/html': -5 } }, "options.ttlByContentType['text/html']"],
  ])) {
    assert.throws(
      () => open(options),
      (/** @type {any} */ error) => {
        assert.match(error.code, /^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/)
        assert.ok(error.message.includes(name), error.message)
        return true
      },
    )
  }
})

test('jitter lets entries of one moment expire one after the other, the same for all', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open({ jitter: 0.5 }, 1_000)
  const urls = Array.from({ length: 200 }, (_, index) => `u${index}`)
  await Promise.all(urls.map((url) => cache.set(url, url)))
  let before = 200
  for (const [time, least, most] of [
    [500, 200, 200],
    [750, 60, 140],
    [1_000, 0, 0],
  ]) {
    mock.timers.setTime(1e12 + time)
    const found = await Promise.all(urls.map((url) => cache.get(url)))
    const other = open({ jitter: 0.5 }, 1_000)
    assert.deepEqual(await Promise.all(urls.map((url) => other.get(url))), found)
    const fresh = found.filter((value) => value !== null).length
    assert.ok(fresh >= least && fresh <= most && fresh <= before, `${fresh} at ${time}`)
    before = fresh
  }
})

test('an adaptive time to live follows the content, within its bounds', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const rules = { adaptiveTtl: { min: 100, max: 100_000 } }
  let cache = open(rules, 1_000)
  let steady = 0
  let restless = 0
  const look = async () => {
    await cache.getOrFetch('steady', () => `steady ${++steady && ''}`)
    await cache.getOrFetch('restless', () => ++restless)
  }
  await look()
  for (let time = 0; time < 600_000; time += 100) {
    mock.timers.tick(100)
    await look()
    // What was learnt outlives the process.
    if (time === 50_000) cache = open(rules, 1_000)
  }
  assert.ok(steady < 30, `${steady}`)
  assert.ok(restless > 5_000, `${restless}`)
  const ttl = (/** @type {string} */ url) =>
    /** @type {number} */ (cache.memoryCache.get(cache.generateCacheKey(url))?.ttl)
  assert.equal(ttl('steady'), 100_000)
  assert.equal(ttl('restless'), 100)

  await cache.set('own', 1, {}, { ttl: 7 })
  assert.equal(ttl('own'), 7)
})

test('fetchFunction is told how the entry was, and says how it is stored', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  let cache = open({}, 100)
  const first = await cache.getOrFetch('u', async ({ signal, options, stale }) => {
    assert.equal(signal.aborted, false)
    assert.equal(await stale(), undefined)
    Object.assign(options, { ttl: 50, validator: '"v1"' })
    return { n: 1 }
  })
  mock.timers.tick(50)
  for (const reopened of [false, true]) {
    if (reopened) cache = open({}, 100)
    const again = await cache.getOrFetch('u', async ({ options, stale }) => {
      const known = await stale()
      assert.deepEqual(known, { data: { n: 1 }, validator: '"v1"' })
      if (!reopened) assert.equal(known?.data, first)
      Object.assign(options, { ttl: 50, validator: known?.validator })
      return known?.data
    })
    assert.deepEqual(again, { n: 1 })
    mock.timers.tick(50)
  }
  await assert.rejects(
    cache.getOrFetch('u', ({ options }) => {
      options.ttl = -1
    }),
    { code: 'ERR_OUT_OF_RANGE' },
  )
})

test('who aborts leaves; when all have left the fetch is told, and is forgotten', async () => {
  const cache = open()
  /** @type {AbortSignal | undefined} */
  let told
  /** @type {(value: string) => void} */
  let answer = () => {}
  const never = (/** @type {import('../lib/index.js').FetchContext} */ { signal }) => {
    told = signal
    return new Promise((resolve) => {
      answer = resolve
    })
  }
  const [one, two] = [new AbortController(), new AbortController()]
  const calls = [one, two].map(({ signal }) => cache.getOrFetch('u', never, {}, { signal }))
  const outcomes = Promise.allSettled(calls)
  await until(() => told)
  one.abort(new Error('one'))
  await assert.rejects(calls[0], { message: 'one' })
  assert.equal(told?.aborted, false)
  assert.equal(cache.pendingRequests.size, 1)
  two.abort(new Error('two'))
  await assert.rejects(calls[1], { message: 'two' })
  assert.equal(told?.aborted, true)
  assert.equal(told?.reason.message, 'two')
  assert.equal(cache.pendingRequests.size, 0)
  await outcomes

  // Another starts anew; what the first one brings late is not stored over it.
  assert.equal(await cache.getOrFetch('u', () => 'new'), 'new')
  answer('late')
  await new Promise(setImmediate)
  assert.equal(await cache.get('u'), 'new')
  assert.equal(await open().get('u'), 'new')

  const aborted = AbortSignal.abort(new Error('before'))
  const refuse = () => assert.fail('fetched')
  await assert.rejects(cache.getOrFetch('v', refuse, {}, { signal: aborted }), {
    message: 'before',
  })
  assert.deepEqual(cache.stats.requests, 3)
})

test('many may share one signal, and one without a signal keeps the fetch alive', async () => {
  const cache = open()
  const controller = new AbortController()
  /** @type {Error[]} */
  const warnings = []
  process.on('warning', (warning) => warnings.push(warning))
  /** @type {(value: string) => void} */
  let answer = () => {}
  let fetches = 0
  const fetch = () =>
    new Promise((resolve) => {
      fetches++
      answer = resolve
    })
  const patient = cache.getOrFetch('u', fetch)
  const { signal } = controller
  const calls = Array.from({ length: 50 }, () => cache.getOrFetch('u', fetch, {}, { signal }))
  const outcomes = Promise.allSettled(calls)
  await new Promise(setImmediate)
  controller.abort()
  for (const { status } of await outcomes) assert.equal(status, 'rejected')
  await until(() => fetches === 1)
  answer('done')
  assert.equal(await patient, 'done')
  assert.equal(cache.pendingRequests.size, 0)
  assert.equal(fetches, 1)
  assert.deepEqual(warnings, [])
})

test('what follows is prefetched once it is known, and counted', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  /** @type {any[]} */
  const prefetched = []
  const cache = open(
    {
      prefetch: async (url, headers) => {
        prefetched.push([url, headers])
        if (url === 'declined') return undefined
        if (url === 'broken') throw new Error('broken')
        return `prefetched ${url}`
      },
    },
    100,
  )
  const walk = async (/** @type {string[]} */ ...urls) => {
    for (const url of urls) await cache.getOrFetch(url, () => `fetched ${url}`, { h: '1' })
  }
  await walk('a', 'b', 'x', 'a', 'b', 'x')
  assert.equal(prefetched.length, 0)
  mock.timers.tick(100)
  await walk('a')
  await until(() => cache.getStats().prefetch?.issued === 1)
  assert.deepEqual(prefetched, [['b', { h: '1' }]])
  assert.equal(
    await cache.getOrFetch('b', () => assert.fail('fetched'), { h: '1' }),
    'prefetched b',
  )
  await until(() => cache.getStats().prefetch?.issued === 2)
  assert.deepEqual(cache.getStats().prefetch, { issued: 2, hits: 1, wasted: 0, failed: 0 })
  // Nobody asked for x before it was replaced.
  await cache.set('x', 'mine', { h: '1' })
  assert.deepEqual(cache.getStats().prefetch, { issued: 2, hits: 1, wasted: 1, failed: 0 })
  await cache.clear()
  assert.deepEqual(cache.getStats().prefetch, { issued: 0, hits: 0, wasted: 0, failed: 0 })

  await walk('p', 'broken', 'q', 'declined', 'p', 'broken', 'q', 'declined')
  mock.timers.tick(100)
  await walk('p')
  await until(() => cache.getStats().prefetch?.failed === 1)
  await walk('broken', 'q')
  await until(() => prefetched.some(([url]) => url === 'declined'))
  assert.equal(await cache.getOrFetch('declined', () => 'own', { h: '1' }), 'own')
  assert.equal(open().getStats().prefetch, undefined)
})

/** For how long a value that is stored with these headers is fresh, in both tiers. */
async function lifetimeOf(
  /** @type {import('../lib/index.js').SetOptions} */ options,
  cacheOptions = {},
) {
  const cache = open(cacheOptions, 1_000)
  await cache.set('u', 'value', {}, options)
  const stored = Date.now()
  let time = 0
  for (const step of [4_096, 2_048, 1_024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1]) {
    mock.timers.setTime(stored + time + step - 1)
    const fresh = (await cache.get('u')) === 'value'
    assert.equal((await open(cacheOptions, 1_000).get('u')) === 'value', fresh)
    if (fresh) time += step
  }
  mock.timers.setTime(stored)
  return time
}

test('the headers of its response say how long a value is fresh', async () => {
  mock.timers.enable({ apis: ['Date'], now: 784_111_777_000 })
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  for (const [headers, expected] of /** @type {[any, number][]} */ ([
    [{ 'Cache-Control': 'private, max-age=3' }, 3_000],
    [{ 'cache-control': 'max-age=5', age: '3' }, 2_000],
    [{ 'cache-control': 'max-age=5', age: '30' }, 0],
    [{ date, expires: 'Sun, 06 Nov 1994 08:49:41 GMT' }, 4_000],
    [{ date, expires: '0' }, 0],
    [{ 'cache-control': ['public', 'max-age=2'], expires: '0' }, 2_000],
    [{ 'cache-control': 'no-cache, max-age=3' }, 0],
    [{ 'cache-control': 'max-age=3', vary: '*' }, 0],
    [{ 'cache-control': 'no-store, max-age=3' }, 0],
    [{ 'x-poll-interval': '2', absent: undefined }, 2_000],
    [new Headers({ 'cache-control': 'max-age=3' }), 3_000],
    [[['cache-control', 'max-age=3']], 3_000],
    [{ 'last-modified': 'Sun, 06 Nov 1904 08:49:37 GMT' }, 1_000],
    [{}, 1_000],
  ])) {
    assert.equal(await lifetimeOf({ response: { headers } }), expected, JSON.stringify(headers))
  }
  const response = new Response('', { headers: { 'cache-control': 'max-age=3' } })
  assert.equal(await lifetimeOf({ response }), 3_000)
  assert.equal(await lifetimeOf({ response, ttl: 500 }), 500)
  for (const bad of [5, null, {}, { headers: 'x' }]) {
    await assert.rejects(open().set('u', 1, {}, { response: /** @type {any} */ (bad) }), {
      code: 'ERR_INVALID_ARG_TYPE',
    })
  }
})

test('where the response does not say, its content type decides', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const rules = { ttlByContentType: { 'text/HTML': 200, 'text/*': 300, '*/*': 400 } }
  for (const [type, expected] of /** @type {[string, number][]} */ ([
    ['text/html; charset=utf-8', 200],
    ['text/plain', 300],
    ['application/json', 400],
    ['nonsense', 1_000],
  ])) {
    const headers = { 'content-type': type }
    assert.equal(await lifetimeOf({ response: { headers } }, rules), expected, type)
    const both = { ...headers, 'cache-control': 'max-age=3' }
    assert.equal(await lifetimeOf({ response: { headers: both } }, rules), 3_000)
  }
  assert.equal(await lifetimeOf({ response: { headers: {} } }, rules), 1_000)
  assert.equal(await lifetimeOf({}, rules), 1_000)
})

test('no-store is not stored, and takes the place of what was', async () => {
  const cache = open()
  const response = { headers: { 'cache-control': 'no-store' } }
  await cache.set('u', 'old')
  await cache.set('u', 'secret', {}, { response })
  const fetched = await cache.getOrFetch('v', ({ options }) => {
    options.response = response
    return 'secret'
  })
  assert.equal(fetched, 'secret')
  for (const reader of [cache, open()]) {
    assert.equal(await reader.get('u'), null)
    assert.equal(await reader.get('v'), null)
  }
  assert.equal((await cache.diskStats()).entries, 0)
})

test('getOrFetch revalidates by the response it is given, and a 304 renews what it was', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  for (const reopens of [false, true]) {
    let cache = open({}, 10)
    const headers = { 'cache-control': 'max-age=1', etag: '"v1"' }
    await cache.getOrFetch('u', ({ options }) => {
      options.response = { status: 200, headers }
      return 'value'
    })
    for (const expired of [1_000, 1_000, 1_000]) {
      mock.timers.tick(expired - 1)
      assert.equal(await cache.get('u'), 'value')
      mock.timers.tick(1)
      if (reopens) cache = open({}, 10)
      const found = await cache.getOrFetch('u', async ({ options, stale }) => {
        const known = await stale()
        assert.equal(known?.validator, '"v1"')
        options.response = { status: 304, headers: {} }
        return known?.data
      })
      assert.equal(found, 'value')
    }
    await cache.delete('u')
  }
})

test('must-revalidate and no-cache forbid to serve stale values', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const windows = { staleWhileRevalidate: 1_000, staleIfError: 1_000 }
  const fail = () => Promise.reject(new Error('down'))
  for (const [control, served] of /** @type {[string, boolean][]} */ ([
    ['max-age=1', true],
    ['max-age=1, must-revalidate', false],
    ['no-cache', false],
  ])) {
    const cache = open(windows)
    const response = { headers: { 'cache-control': control } }
    await cache.set('u', 'value', {}, { response })
    mock.timers.tick(1_000)
    for (const reader of [cache, open(windows)]) {
      const outcome = reader.getOrFetch('u', fail)
      if (served) assert.equal(await outcome, 'value')
      else await assert.rejects(outcome, { message: 'down' })
    }
    // It is still there to be revalidated.
    const known = await cache.getOrFetch('u', async ({ stale }) => (await stale())?.data, {})
    assert.equal(known, 'value')
  }
})

test('what is prefetched may say how it is stored, too', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const cache = open(
    {
      prefetch: (url, _, { options }) => {
        options.response = { headers: { 'cache-control': 'max-age=7', etag: '"p"' } }
        return url
      },
    },
    100,
  )
  for (const url of ['a', 'b', 'a', 'b']) await cache.getOrFetch(url, () => url)
  mock.timers.tick(100)
  await cache.getOrFetch('a', () => 'a')
  await until(() => cache.getStats().prefetch?.issued === 1)
  const key = cache.generateCacheKey('b')
  assert.equal(cache.memoryCache.get(key)?.ttl, 7_000)
})

test('who asks for what is being prefetched waits for it, and fetches for himself if it fails', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 })
  for (const fails of [false, true]) {
    /** @type {(value: any) => void} */
    let answer = () => {}
    let prefetching = false
    const cache = open(
      {
        prefetch: () =>
          new Promise((resolve) => {
            prefetching = true
            answer = resolve
          }),
      },
      100,
    )
    const ask = (/** @type {string} */ url) => cache.getOrFetch(url, () => 'fetched')
    for (const url of ['a', 'b', 'a', 'b']) await ask(url)
    mock.timers.tick(100)
    await ask('a')
    await until(() => prefetching)
    const asked = cache.getOrFetch('b', () => 'mine')
    answer(fails ? Promise.reject(new Error('down')) : 'prefetched')
    assert.equal(await asked, fails ? 'mine' : 'prefetched')
    const { issued, hits, failed } = cache.getStats().prefetch ?? {}
    assert.deepEqual([issued, hits, failed], fails ? [0, 0, 1] : [1, 1, 0])
  }
})

test('sweeps remove what is stale for too long, in both tiers', async () => {
  mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1e12 })
  const cache = open({ sweepInterval: 50, maxStale: 100 }, 100)
  await cache.set('old', 1)
  mock.timers.tick(120)
  await cache.set('young', 2)
  assert.equal(cache.memoryCache.size, 2)
  mock.timers.tick(80)
  assert.equal(cache.memoryCache.size, 1)
  assert.equal((await cache.diskStats()).entries, 1)
  mock.timers.tick(500)
  assert.deepEqual(await cache.diskStats(), { entries: 0, bytes: 0 })
  const still = open({ sweepInterval: 0 }, 100)
  await still.set('u', 1)
  mock.timers.tick(10_000)
  assert.equal(still.memoryCache.size, 1)
})
