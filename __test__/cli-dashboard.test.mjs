// @ts-check
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { OptimizedGitHubClient } from '../lib/index.js'
import { follow, nextEvent } from './support/events.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

const command = fileURLToPath(new URL('../bin/aiwf-native.js', import.meta.url))
const index = fileURLToPath(new URL('../lib/index.js', import.meta.url))

/** @param {string[]} args */
function run(...args) {
  return spawnSync(process.execPath, [command, 'dashboard', ...args], { encoding: 'utf8' })
}

/**
 * Starts the command and follows what its page is told.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} args
 */
async function start(t, ...args) {
  const child = spawn(process.execPath, [command, 'dashboard', '--interval', '100', ...args])
  t.after(() => child.kill('SIGKILL'))
  child.stderr.setEncoding('utf8')
  let told = ''
  while (!told.includes('\n')) told += (await once(child.stderr, 'data'))[0]
  const url = /http:[^\s"]+/.exec(told)?.[0] ?? assert.fail(told)
  const { events } = await follow(url.replace('/?', '/events?'))
  return { child, told, events }
}

test('shows a program, what it makes, its alerts and its tuning; has its exit code', async (t) => {
  const folder = await workspace(t)
  const script = join(folder, 'app.mjs')
  const rules = join(folder, 'rules.json')
  // Nothing asks the network, so that there is no response time to judge.
  await writeFile(
    rules,
    '[{ "metric": "responseTime", "threshold": -1 }, { "metric": "rss", "threshold": 1 }]',
  )
  await writeFile(
    script,
    `import { FileBatchProcessor, GitHubAPICache } from ${JSON.stringify(index)}
    class Cache extends GitHubAPICache {}
    const cache = new Cache(${JSON.stringify(join(folder, 'cache'))})
    await cache.init()
    await cache.set('a', 1)
    const processor = new FileBatchProcessor()
    await processor.addWriteOperation(${JSON.stringify(join(folder, 'file'))}, 'text')
    console.log(cache instanceof GitHubAPICache, GitHubAPICache.name, process.argv[2])
    process.stdin.once('data', () => process.exit(5))`,
  )
  const { child, told, events } = await start(
    t,
    '--rules',
    rules,
    '--tune',
    '--',
    script,
    'argument',
  )
  assert.match(told, /^Dashboard: http:\/\/127\.0\.0\.1:\d+\/\?token=\w{32}\n/)
  const { data } = await nextEvent(
    events,
    ({ kind, data }) => kind === 'state' && data.processingStats?.successfulOperations === 1,
  )
  assert.equal(data.process.title, 'app.mjs')
  assert.deepEqual(
    data.sources.map((/** @type {{ type: string }} */ { type }) => type),
    ['memoryProfiler', 'tuner', 'cache', 'fileProcessor'],
  )
  assert.equal(data.sources[1].stats.running, true)
  assert.equal(data.cacheStats.memorySize, 1)
  const alerted = await nextEvent(
    events,
    ({ kind, data }) => kind === 'state' && data.alerts.length > 0,
  )
  assert.equal(alerted.data.alerts[0].metric, 'rss')
  child.stdin.write('end\n')
  const output = String((await once(child.stdout, 'data'))[0])
  assert.equal(output, 'true GitHubAPICache argument\n')
  assert.deepEqual(await once(child, 'close'), [5, null])
})

test('goes on with a program whose object it cannot show', async (t) => {
  const script = join(await workspace(t), 'app.mjs')
  // Its settings cannot be read when it is made, so that it cannot be tuned.
  await writeFile(
    script,
    `import { GitHubAPICache } from ${JSON.stringify(index)}
    class Cache extends GitHubAPICache {
      get maxEntries() { throw new Error('not yet') }
      set maxEntries(value) {}
    }
    console.log(new Cache() instanceof Cache)
    process.exit(5)`,
  )
  const { status, stdout, stderr } = run('--tune', '--', script)
  assert.deepEqual([status, stdout], [5, 'true\n'], stderr)
  assert.match(stderr, /^aiwf-native: not shown: not yet$/m)
})

test('goes on with a program though nobody reads its standard error', async (t) => {
  const script = join(await workspace(t), 'app.js')
  await writeFile(
    script,
    `const { write } = process.stderr
    process.stderr.write = function (...args) {
      setImmediate(() => {
        console.log('told')
        process.exit(5)
      })
      return write.apply(this, args)
    }
    setInterval(() => {}, 1000)`,
  )
  const child = spawn(process.execPath, [command, 'dashboard', '--', script])
  child.stderr.destroy()
  const output = once(child.stdout, 'data')
  assert.deepEqual(await once(child, 'close'), [5, null])
  assert.equal(String(await output), 'told\n')
})

test('shows the cache until it is interrupted', async (t) => {
  const cacheDir = join(await workspace(t), 'cache')
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('content')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir })
  await client.init()
  await client.cache.set('a', 1)
  await (await client.fetch('/')).text()
  const { entries } = await client.cache.diskStats()
  assert.ok(entries > 1)
  const { child, told, events } = await start(t, '--cache-dir', cacheDir, '--json')
  assert.deepEqual(Object.keys(JSON.parse(told)), ['url', 'port'])
  const onDisk = await nextEvent(
    events,
    ({ kind, data }) => kind === 'state' && data.sources[1].tiers.disk.entries === entries,
  )
  assert.equal(onDisk.data.process.title, `Cache in ${cacheDir}`)
  child.kill('SIGINT')
  await nextEvent(events, ({ kind }) => kind === 'end')
  assert.deepEqual(await once(child, 'close'), [0, null])
})

test('says what is wrong with a call', async (t) => {
  for (const args of [['--'], ['app.js'], ['--port', 'x'], ['--interval', '1'], ['--colour']]) {
    const { status, stderr } = run(...args)
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, /Usage: aiwf-native dashboard/)
  }
  const help = run('--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /--tune/)
  assert.equal(run('--', 'there-is-no-such-program').status, 1)

  const folder = await workspace(t)
  const script = join(folder, 'app.js')
  await writeFile(script, 'setInterval(() => {}, 1000)')
  const rules = run('--rules', join(folder, 'none.json'), '--', script)
  assert.equal(rules.status, 1)
  assert.match(rules.stderr, /ENOENT.*none\.json/)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (taken.address())
  for (const rest of [[], ['--', script]]) {
    const refused = run('--port', String(port), ...rest)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /aiwf-native: EADDRINUSE/)
  }
  taken.close()
})
