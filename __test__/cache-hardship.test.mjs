// @ts-check
import assert from 'node:assert/strict'
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { GitHubAPICache } from '../lib/index.js'

const writer = fileURLToPath(new URL('./fixtures/cache-writer.mjs', import.meta.url))

/** @type {string} */
let folder
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'cache-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

/** A value that says which entry it is of, and that no mixture of two can pass for. @param {any} value */
function check(value, /** @type {string} */ url) {
  assert.equal(value.url, url)
  assert.equal(value.text, String(value.round % 10).repeat(value.text.length))
}

/** @param {string[]} argv */
function start(...argv) {
  return fork(writer, [folder, ...argv], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

test('killed while writing: what is found is right, and what was acknowledged is found', async () => {
  /** @type {Map<string, number>} */
  const acknowledged = new Map()
  for (let round = 0; round < 12; round++) {
    const child = start(String(round), '0')
    const enough = 50 + round * 20
    let count = 0
    child.on('message', (/** @type {any} */ { url, round }) => {
      acknowledged.set(url, round)
      if (++count === enough) child.kill('SIGKILL')
    })
    await once(child, 'exit')
    const cache = new GitHubAPICache(folder)
    for (const [url, round] of acknowledged) {
      const value = await cache.get(url)
      // What was being replaced when the process died may be gone, or new already.
      if (value === null) acknowledged.delete(url)
      else {
        check(value, url)
        assert.ok(value.round >= round, `${url}: ${value.round} < ${round}`)
      }
    }
    assert.ok(acknowledged.size >= 10)
  }
})

test('three processes on one folder', async () => {
  const children = [0, 1, 2].map((index) => start('0', '300', String(index)))
  const codes = await Promise.all(children.map((child) => once(child, 'exit')))
  assert.deepEqual(
    codes.map(([code]) => code),
    [0, 0, 0],
  )
  const cache = new GitHubAPICache(folder)
  for (let index = 0; index < 40; index++) {
    const value = await cache.get(`shared${index}`)
    assert.ok(value, `shared${index}`)
    check(value, `shared${index}`)
  }
})

test('what one cache writes, clears or deletes, another that is open sees', async () => {
  const [one, two] = [new GitHubAPICache(folder), new GitHubAPICache(folder)]
  const key = one.generateCacheKey('u')
  for (let round = 0; round < 5; round++) {
    await one.set('u', round)
    assert.equal(await two.getFromDisk(key), round)
    await two.set('u', round + 100)
    assert.equal(await one.getFromDisk(key), round + 100)
    await one.delete('u')
    assert.equal(await two.getFromDisk(key), null)
    await two.set('u', 'again')
    await one.clear()
    assert.equal(await two.getFromDisk(key), null)
  }
})

for (const lost of ['the folder', 'the lock']) {
  test(`${lost} is deleted and made again by another cache: nothing acknowledged is lost`, async () => {
    const caches = [0, 1].map(() => new GitHubAPICache(folder))
    await caches[0].set('first', 1)
    const file = lost === 'the folder' ? folder : path.join(folder, 'aiwf-native-1', 'lock')
    fs.rmSync(file, { recursive: true })
    await caches[1].set('first', 1)
    const urls = Array.from({ length: 200 }, (_, round) => `${round}`)
    const write = async (/** @type {GitHubAPICache} */ cache, /** @type {number} */ name) => {
      for (const url of urls) await cache.set(`${name}/${url}`, [name, url])
    }
    await Promise.all(caches.map(write))
    const reader = new GitHubAPICache(folder)
    for (const name of caches.keys()) {
      for (const url of urls) assert.deepEqual(await reader.get(`${name}/${url}`), [name, url])
    }
  })
}

test('a folder that was deleted holds nothing, and is made again', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {})
  for (const after of /** @type {((cache: GitHubAPICache) => Promise<unknown>)[]} */ ([
    (cache) => cache.delete('u'),
    (cache) => cache.clear(),
    (cache) => cache.cleanup(),
    (cache) => cache.verify(),
    (cache) => cache.diskStats(),
  ])) {
    const cache = new GitHubAPICache(folder)
    await cache.set('u', 1)
    fs.rmSync(folder, { recursive: true })
    await after(cache)
    await cache.set('v', 2)
    assert.equal(await new GitHubAPICache(folder).get('u'), null)
    assert.equal(await new GitHubAPICache(folder).get('v'), 2)
  }
  assert.deepEqual(warn.mock.calls, [])
})

test('damage of any kind is a miss or the latest value, never another or an error', async () => {
  const file = () => {
    const found = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    return found
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
  }
  const damage = fc.oneof(
    fc.record({
      kind: fc.constant('flip'),
      at: fc.double({ min: 0, max: 0.999, noNaN: true }),
      bit: fc.nat(7),
    }),
    fc.record({ kind: fc.constant('cut'), at: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
    fc.record({
      kind: fc.constant('zero'),
      at: fc.double({ min: 0, max: 0.999, noNaN: true }),
      length: fc.integer({ min: 1, max: 5_000 }),
    }),
    fc.record({ kind: fc.constant('garbage'), at: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
    fc.record({ kind: fc.constant('remove') }),
    fc.record({ kind: fc.constant('folder') }),
  )
  const strike = (/** @type {any} */ { kind, at = 0, bit = 0, length = 0 }) => {
    for (const name of file()) {
      const bytes = fs.readFileSync(name)
      const place = Math.floor(bytes.length * at)
      if (kind === 'remove') fs.rmSync(name)
      else if (kind === 'folder') {
        fs.rmSync(name)
        fs.mkdirSync(name)
      } else if (kind === 'cut') fs.truncateSync(name, place)
      else if (bytes.length > 0) {
        if (kind === 'flip') bytes[place] ^= 1 << bit
        if (kind === 'zero') bytes.fill(0, place, Math.min(place + length, bytes.length))
        if (kind === 'garbage') bytes.fill('garbage', place)
        fs.writeFileSync(name, bytes)
      }
    }
  }
  const { warn } = console
  console.warn = () => {}
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (damages, running) => {
          fs.rmSync(folder, { recursive: true, force: true })
          let cache = new GitHubAPICache(folder)
          /** @type {Map<string, string>} */
          const latest = new Map()
          for (let index = 0; index < 60; index++) {
            const url = `u${index % 25}`
            const value = `${url} ${index} `.repeat(index * 3)
            latest.set(url, value)
            await cache.set(url, value)
          }
          for (const one of damages) strike(one)
          if (!running) cache = new GitHubAPICache(folder)
          for (const [url, value] of latest) {
            const found = await cache.getFromDisk(cache.generateCacheKey(url))
            assert.ok(found === null || found === value, `${url}: ${found}`)
          }
          if (damages.some(({ kind }) => kind === 'folder')) return
          // And it heals: what is written from now on is found.
          await cache.set('u1', 'healed')
          assert.equal(await new GitHubAPICache(folder).get('u1'), 'healed')
        },
      ),
      { numRuns: 150 },
    )
  } finally {
    console.warn = warn
  }
})

test('verify finds and drops what is damaged, for good', async () => {
  const log = path.join(folder, 'aiwf-native-1', '0000000001.log')
  // The header of the file, and a record of a header and 1,002 bytes of text.
  const [start, header, record] = [16, 88, 88 + 1_002]
  for (const { flipped, running, left } of [
    { flipped: [start + header + 9], running: true, left: 9 },
    { flipped: [start + header + 9], running: false, left: 9 },
    { flipped: [start + record + 20], running: true, left: 9 },
    { flipped: [start + record + 20], running: false, left: 9 },
    // A file of which nothing can be told counts as one.
    { flipped: [start + 20, start + record + 20], running: false, left: 8 },
    { flipped: [0], running: false, left: 0 },
  ]) {
    fs.rmSync(folder, { recursive: true, force: true })
    const writer = new GitHubAPICache(folder)
    for (let index = 0; index < 10; index++) await writer.set(`u${index}`, 'x'.repeat(1_000))
    assert.deepEqual(await writer.verify(), { damagedEntries: 0, damagedBytes: 0 })
    const bytes = fs.readFileSync(log)
    for (const place of flipped) bytes[place] ^= 1
    fs.writeFileSync(log, bytes)

    const cache = running ? writer : new GitHubAPICache(folder)
    const { damagedEntries, damagedBytes } = await cache.verify()
    assert.equal(damagedEntries, flipped.length)
    assert.ok(damagedBytes >= (10 - left) * record, `${damagedBytes}`)
    for (const other of [cache, new GitHubAPICache(folder)]) {
      assert.deepEqual(await other.verify(), { damagedEntries: 0, damagedBytes: 0 })
      assert.equal((await other.diskStats()).entries, left)
    }
  }
})

test('against a model: a plain map with expiry', async () => {
  const url = fc.constantFrom('a', 'b', 'c', '\ud800', 'é')
  const headers = fc.constantFrom(undefined, {}, { x: 1 }, { x: '1' })
  const value = fc.jsonValue({ maxDepth: 2 })
  const step = fc.oneof(
    fc.record({
      do: fc.constant('set'),
      url,
      headers,
      value,
      ttl: fc.option(fc.nat(50), { nil: undefined }),
      maxAge: fc.option(fc.nat(1), { nil: undefined }),
    }),
    fc.record({ do: fc.constant('get'), url, headers }),
    fc.record({ do: fc.constant('getOrFetch'), url, headers, value }),
    fc.record({ do: fc.constant('delete'), url, headers }),
    fc.record({ do: fc.constant('tick'), ms: fc.oneof(fc.nat(30), fc.constant(990)) }),
    fc.record({ do: fc.constantFrom('cleanup', 'clear', 'reopen', 'forget') }),
  )
  const { now } = Date
  let time = 1e12
  Date.now = () => time
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, tight) => {
        fs.rmSync(folder, { recursive: true, force: true })
        // Where memory is tight the disk answers more often.
        const open = () => new GitHubAPICache(folder, 40, { maxEntries: tight ? 2 : 1_000 })
        let cache = open()
        /** @type {Map<string, { value: unknown, until: number }>} */
        const model = new Map()
        const fresh = (/** @type {string} */ key) => {
          const entry = model.get(key)
          return entry && time < entry.until ? entry : undefined
        }
        for (const at of /** @type {any[]} */ (steps)) {
          const key = JSON.stringify({ url: at.url, headers: at.headers ?? {} })
          const copy = JSON.parse(JSON.stringify(at.value ?? null))
          if (at.do === 'set') {
            const headers = { 'cache-control': `max-age=${at.maxAge}` }
            const response = at.maxAge === undefined ? undefined : { headers }
            await cache.set(at.url, at.value, at.headers, { ttl: at.ttl, response })
            const ttl = at.ttl ?? (at.maxAge === undefined ? 40 : at.maxAge * 1_000)
            model.set(key, { value: copy, until: time + ttl })
          } else if (at.do === 'get') {
            const found = JSON.parse(JSON.stringify(await cache.get(at.url, at.headers)))
            assert.deepEqual(found, fresh(key)?.value ?? null)
          } else if (at.do === 'getOrFetch') {
            const found = await cache.getOrFetch(at.url, () => at.value, at.headers)
            const expected = fresh(key)
            assert.deepEqual(JSON.parse(JSON.stringify(found)), expected ? expected.value : copy)
            if (!expected) model.set(key, { value: copy, until: time + 40 })
          } else if (at.do === 'delete') {
            await cache.delete(at.url, at.headers)
            model.delete(key)
          } else if (at.do === 'tick') time += at.ms
          else if (at.do === 'cleanup') await cache.cleanup()
          else if (at.do === 'reopen') cache = open()
          else if (at.do === 'forget') cache.memoryCache.clear()
          else {
            await cache.clear()
            model.clear()
          }
        }
      }),
      { numRuns: 150 },
    )
  } finally {
    Date.now = now
  }
})

test('a worker that ends in the middle harms nobody', async () => {
  const cache = new GitHubAPICache(folder)
  await cache.set('mine', 1)
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(writer, { argv: [folder, String(round), '0'] })
    await once(worker, 'message')
    await worker.terminate()
  }
  assert.equal(await new GitHubAPICache(folder).get('mine'), 1)
  await cache.set('mine', 2)
  assert.equal(await new GitHubAPICache(folder).get('mine'), 2)
})

test('an idle cache lets the process exit', async () => {
  const child = start('0', '5')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})

const onBadDisk = fileURLToPath(new URL('./fixtures/cache-on-bad-disk.mjs', import.meta.url))

/** Runs a command where it may mount what nobody else sees. */
const isolated = ['--user', '--map-root-user', '--mount', 'sh', '-c']
const mount = 'mount -t tmpfs -o size=2m tmpfs "$0"'

for (const kind of ['full', 'read-only']) {
  test(`a ${kind} disk: one warning, no wrong value, memory goes on`, async (context) => {
    const { status, error, stderr } = spawnSync('unshare', [...isolated, mount, folder])
    if (status !== 0) return context.skip(`no tmpfs can be mounted: ${error ?? stderr}`)
    const command = `${mount} && exec "$@"`
    const argv = [...isolated, command, folder, process.execPath, onBadDisk, folder, kind]
    const [code] = await once(spawn('unshare', argv, { stdio: 'inherit' }), 'exit')
    assert.equal(code, 0)
  })
}

test('a write that fails half-way: one warning, no wrong value, memory goes on', {
  skip: process.platform === 'win32',
}, async () => {
  // Nothing needs to be mounted for this one: no file may grow beyond 1 MiB.
  const command = 'trap \'\' XFSZ; ulimit -f 2048; exec "$@"'
  const argv = ['-c', command, 'sh', process.execPath, onBadDisk, folder, 'limited']
  const [code] = await once(spawn('sh', argv, { stdio: 'inherit' }), 'exit')
  assert.equal(code, 0)
})

test('more caches than there may be descriptors', {
  skip: process.platform === 'win32',
}, async () => {
  const source = `
    const fs = require('node:fs')
    const { GitHubAPICache } = require(process.argv[1])
    console.warn = (text) => { throw new Error(text) }
    const folder = process.argv[2]
    const open = () => Array.from({ length: 300 }, (_, at) => new GitHubAPICache(folder + '/' + at))
    const [writers, readers] = [open(), open()]
    const run = async () => {
      for (const [at, cache] of writers.entries()) await cache.set('u', at)
      await Promise.all(writers.map((cache, at) => cache.set('v', at)))
      for (const [at, cache] of readers.entries()) {
        if ((await cache.get('u')) !== at || (await cache.get('v')) !== at) throw new Error('lost')
        fs.readdirSync(folder)
      }
    }
    run()`
  const index = fileURLToPath(new URL('../lib/index.js', import.meta.url))
  const node = [process.execPath, '-e', source, index, folder]
  const child = spawn('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...node], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})

test('a file of the JavaScript cache is an entry that can be deleted', async () => {
  const cache = new GitHubAPICache(folder)
  const file = path.join(folder, `${cache.generateCacheKey('u')}.json`)
  fs.writeFileSync(file, JSON.stringify({ data: 1, timestamp: Date.now() }))
  assert.equal(await cache.delete('u'), true)
  assert.equal(fs.existsSync(file), false)
  assert.equal(await cache.delete('u'), false)
  assert.equal(await cache.get('u'), null)
})

test('a folder that is a symbolic link', { skip: process.platform === 'win32' }, async () => {
  const link = path.join(folder, 'link')
  fs.mkdirSync(path.join(folder, 'real'))
  fs.symlinkSync('real', link)
  await new GitHubAPICache(link).set('u', 1)
  assert.equal(await new GitHubAPICache(path.join(folder, 'real')).get('u'), 1)
  await new GitHubAPICache(link).clear()
  assert.ok(fs.lstatSync(link).isSymbolicLink())
})

test('100,000 entries', async () => {
  const count = 100_000
  const cache = new GitHubAPICache(folder)
  for (let start = 0; start < count; start += 5_000) {
    const urls = Array.from({ length: 5_000 }, (_, index) => `u${start + index}`)
    await Promise.all(urls.map((url) => cache.set(url, { url })))
  }
  assert.equal((await cache.diskStats()).entries, count)
  assert.ok(cache.memoryCache.size <= 1_000)
  const reader = new GitHubAPICache(folder)
  for (let index = 0; index < count; index += 997) {
    assert.deepEqual(await reader.get(`u${index}`), { url: `u${index}` })
  }
  reader.ttl = 0
  assert.equal((await reader.cleanup()).expiredDiskEntries, count)
  assert.ok((await cache.diskStats()).bytes < 1_000)
})
