// @ts-check
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { FileBatchProcessor } from '../lib/file-batch-processor.js'

const root = await fs.mkdtemp(path.join(os.tmpdir(), 'aiwf-failures-'))
after(() => fs.rm(root, { recursive: true }))
const folder = () => fs.mkdtemp(path.join(root, 'test-'))
const unix = { skip: process.platform === 'win32' }
const device = (/** @type {string} */ at) => statSync(at, { throwIfNoEntry: false })?.dev
const elsewhere = '/dev/shm'
const oneDevice = { skip: [undefined, device(root)].includes(device(elsewhere)) }
const library = JSON.stringify(path.resolve(import.meta.dirname ?? '__test__', '../lib/index.js'))
const run = promisify(execFile)

/**
 * Runs a script in a shell that sets limits first; returns what it prints as JSON.
 *
 * @param {string} limits
 * @param {string} script
 */
async function limited(limits, script) {
  const file = path.join(await folder(), 'script.cjs')
  await fs.writeFile(file, `const { FileBatchProcessor } = require(${library})\n${script}`)
  const { stdout } = await run('sh', ['-c', `${limits}; exec "$0" "$1"`, process.execPath, file])
  return JSON.parse(stdout)
}

/** @param {Promise<unknown>} promise */
async function failure(promise) {
  const error = await promise.then(
    () => assert.fail('should have failed'),
    (error) => error,
  )
  return { message: error.message, name: error.name, isError: error instanceof Error, ...error }
}

test('system errors are those of node:fs, field by field', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const at = (/** @type {string} */ name) => `${dir}/${name}`
  await fs.writeFile(at('file'), 'text')
  /** @type {[() => Promise<unknown>, () => Promise<unknown>][]} */
  const pairs = [
    ...['missing', 'file/below', ''].map((name) =>
      both('addReadOperation', 'readFile', at(name), {}),
    ),
    ...['', 'file/below', 'new/'].map((name) =>
      both('addWriteOperation', 'writeFile', at(name), 'x'),
    ),
    ...['file', 'file/below/it'].map((name) =>
      both('addMkdirOperation', 'mkdir', at(name), { recursive: true }),
    ),
    both('addCopyOperation', 'copyFile', at('missing'), at('copy')),
    both('addCopyOperation', 'copyFile', at('file'), at('file/below')),
    both('addCopyOperation', 'copyFile', at('file'), dir),
    both('addCopyOperation', 'copyFile', dir, at('copy')),
    both('addReadOperation', 'readFile', '', {}),
    both('addWriteOperation', 'writeFile', '', 'x'),
    both('addMkdirOperation', 'mkdir', '', { recursive: true }),
    both('addReadOperation', 'readFile', at('a'.repeat(300)), {}),
  ]
  /** @returns {[() => Promise<unknown>, () => Promise<unknown>]} */
  function both(
    /** @type {string} */ ours,
    /** @type {string} */ nodes,
    /** @type {unknown[]} */ ...args
  ) {
    const call = (/** @type {any} */ object, /** @type {string} */ name) => object[name](...args)
    return [() => call(processor, ours), () => call(fs, nodes)]
  }
  for (const [ours, nodes] of pairs) assert.deepEqual(await failure(ours()), await failure(nodes()))
})

test('bad arguments reject with the errors of node:fs', async () => {
  const processor = /** @type {any} */ (new FileBatchProcessor())
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
  const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }
  await assert.rejects(processor.addReadOperation(5), {
    ...type,
    message:
      'The "filePath" argument must be of type string or an instance of Buffer or URL. Received type number (5)',
  })
  await assert.rejects(processor.addReadOperation('a\0b'), value)
  await assert.rejects(processor.addReadOperation('a', { encoding: 'foo' }), {
    ...value,
    message: "The argument 'encoding' is invalid encoding. Received 'foo'",
  })
  await assert.rejects(processor.addReadOperation('a', 'utf8'), type)
  await assert.rejects(processor.addWriteOperation('a', 5), type)
  await assert.rejects(processor.addWriteOperation('a', undefined), type)
  await assert.rejects(processor.addWriteOperation('a', 'b', { mode: '9z' }), value)
  await assert.rejects(processor.addCopyOperation('a'), type)
  await assert.rejects(processor.addMkdirOperation('a', { mode: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(processor.getStats().isProcessing, false)
})

test("an error has the caller's stack", async () => {
  async function caller() {
    await new FileBatchProcessor().addReadOperation(path.join(root, 'missing'))
  }
  const error = await caller().catch((error) => error)
  assert.match(error.stack, /at async caller/)
})

test('a write or copy that fails leaves the old file and no litter', unix, async () => {
  const dir = await folder()
  await fs.writeFile(`${dir}/large`, Buffer.alloc(1 << 20))
  await fs.writeFile(`${dir}/old`, 'old')
  const codes = await limited(
    "trap '' XFSZ; ulimit -f 64",
    `const processor = new FileBatchProcessor()
    const at = (name) => ${JSON.stringify(dir)} + '/' + name
    Promise.allSettled([
      processor.addWriteOperation(at('old'), 'x'.repeat(1 << 20)),
      processor.addCopyOperation(at('large'), at('old')),
      processor.addWriteOperation(at('new'), 'x'.repeat(1 << 20)),
      processor.addCopyOperation(at('large'), at('new')),
    ]).then((all) => console.log(JSON.stringify(all.map(({ reason }) => reason.message))))`,
  )
  const copying = (/** @type {string} */ to) => `copyfile '${dir}/large' -> '${dir}/${to}'`
  assert.deepEqual(
    codes,
    ['write', copying('old'), 'write', copying('new')].map(
      (call) => `EFBIG: file too large, ${call}`,
    ),
  )
  assert.equal(await fs.readFile(`${dir}/old`, 'utf8'), 'old')
  assert.deepEqual(await fs.readdir(dir), ['large', 'old'])
})

const tracer = !spawnSync('strace', ['-V']).error
test('an error that only closing tells leaves the old file', { skip: !tracer }, async () => {
  const dir = await folder()
  const script = path.join(dir, 'script.cjs')
  await fs.writeFile(`${dir}/old`, 'old')
  await fs.writeFile(
    script,
    `const { FileBatchProcessor } = require(${library})
    new FileBatchProcessor().addWriteOperation(${JSON.stringify(dir)} + '/old', 'new').then(
      () => console.log('written'),
      ({ message }) => console.log(message))`,
  )
  // The temporary file's name has the number of the process, which strace -D leaves to it.
  const trace = `exec strace -D -f -qqq -o /dev/null -P "$1/.aiwf-$(printf %x $$)-0.tmp" \
    -e trace=close -e inject=close:error=ENOSPC "$0" "$1/script.cjs"`
  const { stdout } = await run('sh', ['-c', trace, process.execPath, dir])
  assert.equal(stdout, 'ENOSPC: no space left on device, close\n')
  assert.equal(await fs.readFile(`${dir}/old`, 'utf8'), 'old')
  assert.deepEqual(await fs.readdir(dir), ['old', 'script.cjs'])
})

test('few file descriptors slow the work down and fail nothing', unix, async () => {
  const dir = await folder()
  const left = await limited(
    'ulimit -n 64',
    `const fs = require('node:fs')
    const at = (index) => ${JSON.stringify(dir)} + '/' + index
    const processor = new FileBatchProcessor()
    const work = async (index) => {
      await processor.addWriteOperation(at(index), 'text')
      await processor.addCopyOperation(at(index), at(index + 'copy'))
      return processor.addReadOperation(at(index + 'copy'))
    }
    // Enough for one copy, far too few for as many as run at once.
    const leaveThree = () => {
      const held = []
      try { for (;;) held.push(fs.openSync('/dev/null')) } catch {}
      for (const fd of held.splice(0, 3)) fs.closeSync(fd)
    }
    const main = async () => {
      await work('first')
      leaveThree()
      const texts = await Promise.all(Array.from({ length: 1400 }, (_, index) => work(index)))
      console.log(JSON.stringify(texts.filter((text) => text === 'text').length))
    }
    main()`,
  )
  assert.equal(left, 1400)
})

test('trees of any depth take few file descriptors', unix, async (context) => {
  const dir = await folder()
  const other = oneDevice.skip ? dir : await fs.mkdtemp(`${elsewhere}/aiwf-failures-`)
  context.after(() => fs.rm(other, { recursive: true, force: true }))
  const left = await limited(
    'ulimit -n 64',
    `const fs = require('node:fs')
    const [dir, other] = ${JSON.stringify([dir, other])}
    const processor = new FileBatchProcessor()
    const make = (name, depth) => {
      process.chdir(fs.mkdirSync(dir + '/' + name, { recursive: true }))
      for (let level = 0; level < depth; level++) {
        fs.mkdirSync('d')
        process.chdir('d')
      }
      fs.writeFileSync('file', 'text')
      process.chdir(dir)
    }
    const deep = '/d'.repeat(400) + '/file'
    const main = async () => {
      make('tree', 400)
      await processor.addCopyDirectoryOperation(dir + '/tree', dir + '/copy')
      await processor.addMoveOperation(dir + '/copy', other + '/moved')
      const text = await processor.addReadOperation(other + '/moved' + deep)
      // Some have paths that no system call takes.
      for (let tree = 0; tree < 10; tree++) make(tree, 3000)
      const paths = [other + '/moved', ...fs.readdirSync(dir).map((name) => dir + '/' + name)]
      const remove = (path) => processor.addRemoveOperation(path, { recursive: true })
      await Promise.all(paths.map(remove))
      console.log(JSON.stringify([text, ...fs.readdirSync(dir), ...fs.readdirSync(other)]))
    }
    main()`,
  )
  assert.deepEqual(left, ['text'])
})

test('a FIFO is refused instead of waited for', unix, async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  await run('mkfifo', [`${dir}/fifo`])
  const refused = { code: 'ERR_AIWF_NOT_REGULAR_FILE', path: `${dir}/fifo` }
  await assert.rejects(processor.addReadOperation(`${dir}/fifo`), refused)
  await assert.rejects(processor.addCopyOperation(`${dir}/fifo`, `${dir}/copy`), refused)
  await assert.rejects(processor.addWriteOperation(`${dir}/fifo`, 'x'), { code: 'ENXIO' })
  const reader = await fs.open(`${dir}/fifo`, 'r+')
  await assert.rejects(processor.addWriteOperation(`${dir}/fifo`, 'x'), refused)
  await reader.close()
})

test('devices that never end or never give are refused', unix, async (context) => {
  const processor = new FileBatchProcessor()
  const devices = ['/dev/zero', '/dev/urandom', '/dev/ptmx'].filter((device) => existsSync(device))
  if (devices.length === 0) return context.skip('no devices')
  const dir = await folder()
  for (const device of devices) {
    const refused = { code: 'ERR_AIWF_NOT_REGULAR_FILE', path: device }
    await assert.rejects(processor.addReadOperation(device), refused)
    await assert.rejects(processor.addHashOperation(device), refused)
    await assert.rejects(processor.addCopyOperation(device, `${dir}/copy`), refused)
  }
  assert.equal(await processor.addReadOperation('/dev/null'), '')
})

/** A process in a container often has the number of one that was killed there. */
test('what a killed process left is not taken for our own', unix, async (context) => {
  const dir = await folder()
  const other = oneDevice.skip ? dir : await fs.mkdtemp(`${elsewhere}/aiwf-failures-`)
  context.after(() => fs.rm(other, { recursive: true, force: true }))
  const found = await limited(
    ':',
    `const fs = require('node:fs')
    const [dir, other] = ${JSON.stringify([dir, other])}
    const left = (number) => '.aiwf-' + process.pid.toString(16) + '-' + number + '.tmp'
    for (const at of [dir, dir + '/copy', other]) {
      for (let number = 0; number < 8; number++) {
        fs.mkdirSync(at + '/' + left(number), { recursive: true })
        fs.writeFileSync(at + '/' + left(number) + '/stale', '')
      }
    }
    fs.mkdirSync(dir + '/tree')
    fs.symlinkSync('nowhere', dir + '/tree/link')
    const processor = new FileBatchProcessor()
    const main = async () => {
      await processor.addCopyDirectoryOperation(dir + '/tree', dir + '/copy')
      const copied = fs.readlinkSync(dir + '/copy/link')
      await processor.addMoveOperation(dir + '/tree', other + '/moved')
      console.log(JSON.stringify([copied, fs.readdirSync(other + '/moved'), fs.existsSync(dir + '/tree')]))
    }
    main()`,
  )
  assert.deepEqual(found, ['nowhere', ['link'], false])
})

const canMount = spawnSync('unshare', ['-Urm', 'true']).status === 0
test('a full disk leaves old files whole and no litter', { skip: !canMount }, async () => {
  const dir = await folder()
  const file = path.join(dir, 'script.cjs')
  await fs.writeFile(
    file,
    `const fs = require('node:fs')
    const { FileBatchProcessor } = require(${library})
    const processor = new FileBatchProcessor()
    const at = (name) => process.argv[2] + '/' + name
    const large = Buffer.alloc(1 << 20)
    const main = async () => {
      await processor.addWriteOperation(at('old'), 'old')
      await processor.addWriteOperation(at('source/file'), Buffer.alloc(300_000))
      const outcomes = await Promise.allSettled([
        processor.addWriteOperation(at('old'), large),
        processor.addWriteOperation(at('new'), large),
        processor.addAppendOperation(at('old'), large),
        processor.addCopyDirectoryOperation(at('source'), at('copy')),
        processor.addCopyOperation(at('source/file'), at('old')),
      ])
      const codes = outcomes.map(({ reason }) => reason?.code)
      const left = fs.readdirSync(process.argv[2]).sort()
      console.log(JSON.stringify({ codes, left, old: fs.readFileSync(at('old'), 'utf8') }))
    }
    main()`,
  )
  const mount = 'mkdir "$1" && mount -t tmpfs -o size=400k none "$1" && exec "$2" "$0" "$1"'
  const shell = ['-Urm', 'sh', '-c', mount, file, `${dir}/disk`, process.execPath]
  const { codes, left, old } = JSON.parse((await run('unshare', shell)).stdout)
  assert.deepEqual(codes, Array(5).fill('ENOSPC'))
  assert.equal(old, 'old')
  assert.deepEqual(left, ['copy', 'old', 'source'])
})

test('a folder removed half-way fails what is left of it, and nothing hangs', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const names = Array.from({ length: 1000 }, (_, index) => `${dir}/sub/${index}`)
  await Promise.all(names.map((name) => processor.addWriteOperation(name, 'text')))
  const reads = names.map((name) => processor.addReadOperation(name))
  const outcomes = Promise.allSettled(reads)
  await reads[0]
  await fs.rm(`${dir}/sub`, { recursive: true })
  for (const outcome of await outcomes) {
    if (outcome.status === 'fulfilled') assert.equal(outcome.value, 'text')
    else assert.equal(outcome.reason.code, 'ENOENT')
  }
  const late = processor.addReadOperation(names[999])
  await assert.rejects(late, { code: 'ENOENT' })
})

test('a hundred thousand files at once', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const names = Array.from({ length: 100_000 }, (_, index) => `${dir}/${index % 100}/${index}`)
  await Promise.all(names.map((name) => processor.addWriteOperation(name, name)))
  const texts = await Promise.all(names.map((name) => processor.addReadOperation(name)))
  assert.ok(texts.every((text, index) => text === names[index]))
  await processor.addRemoveOperation(dir, { recursive: true })
  assert.equal(existsSync(dir), false)
})

test('files that do not know their size are read to the end', unix, async (context) => {
  if (!existsSync('/proc/self/limits')) return context.skip('no /proc')
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const expected = await fs.readFile('/proc/self/limits', 'utf8')
  assert.equal(await processor.addReadOperation('/proc/self/limits'), expected)
  await processor.addCopyOperation('/proc/self/limits', `${dir}/copy`)
  assert.equal(await fs.readFile(`${dir}/copy`, 'utf8'), expected)
  assert.equal(await processor.addReadOperation('/dev/null'), '')
  await processor.addWriteOperation('/dev/null', 'gone')
})

for (const atomic of [true, false]) {
  test(`links, modes and lengths survive writing, atomic: ${atomic}`, unix, async () => {
    const dir = await folder()
    const processor = new FileBatchProcessor()
    const write = (/** @type {string} */ name, /** @type {string} */ text) =>
      processor.addWriteOperation(`${dir}/${name}`, text, { atomic, fsync: true, mode: 0o600 })
    await write('file', 'the first and longer text')
    assert.equal((await fs.stat(`${dir}/file`)).mode & 0o777, 0o600)
    await fs.chmod(`${dir}/file`, 0o755)
    await fs.symlink('file', `${dir}/link`)
    await fs.symlink('later', `${dir}/dangling`)
    await write('link', 'second')
    await write('dangling', 'third')
    assert.equal(await fs.readlink(`${dir}/link`), 'file')
    assert.equal(await fs.readFile(`${dir}/file`, 'utf8'), 'second')
    assert.equal((await fs.stat(`${dir}/file`)).mode & 0o777, 0o755)
    assert.equal(await fs.readlink(`${dir}/dangling`), 'later')
    assert.equal(await fs.readFile(`${dir}/later`, 'utf8'), 'third')
    await fs.link(`${dir}/file`, `${dir}/hard`)
    for (const [from, to] of [
      ['file', 'file'],
      ['file', 'link'],
      ['link', 'file'],
      ['hard', 'file'],
    ]) {
      await processor.addCopyOperation(`${dir}/${from}`, `${dir}/${to}`, { atomic })
      assert.equal(await fs.readFile(`${dir}/file`, 'utf8'), 'second')
    }
    await processor.addCopyOperation(`${dir}/later`, `${dir}/link`, { atomic, fsync: true })
    assert.equal(await fs.readFile(`${dir}/file`, 'utf8'), 'third')
    assert.deepEqual(await fs.readdir(dir), ['dangling', 'file', 'hard', 'later', 'link'])
  })
}

test('a link that leads nowhere yet may lead to another device', oneDevice, async (context) => {
  const dir = await folder()
  const other = await fs.mkdtemp(`${elsewhere}/aiwf-failures-`)
  context.after(() => fs.rm(other, { recursive: true }))
  const processor = new FileBatchProcessor()
  await fs.symlink(`${other}/written`, `${dir}/link`)
  await processor.addWriteOperation(`${dir}/link`, 'text')
  await fs.symlink(`${other}/copied`, `${dir}/other link`)
  await processor.addCopyOperation(`${dir}/link`, `${dir}/other link`)
  assert.equal(await fs.readFile(`${other}/copied`, 'utf8'), 'text')
  assert.deepEqual(await fs.readdir(other), ['copied', 'written'])
  assert.deepEqual(await fs.readdir(dir), ['link', 'other link'])
  await fs.symlink(`${other}/missing/file`, `${dir}/lost`)
  const ours = await failure(processor.addWriteOperation(`${dir}/lost`, 'text'))
  assert.deepEqual(ours, await failure(fs.writeFile(`${dir}/lost`, 'text')))
})

test('files are written where no other can be made', unix, async (context) => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  // As long as paths may be: that of a temporary file would be longer.
  let long = dir
  while (long.length < 4000) long += `/${'d'.repeat(Math.min(200, 4089 - long.length))}`
  long += `/${'f'.repeat(4094 - long.length)}`
  if (process.platform === 'linux') {
    await fs.mkdir(path.dirname(long), { recursive: true })
    await fs.writeFile(long, 'old')
    await processor.addWriteOperation(long, 'new')
    assert.equal(await fs.readFile(long, 'utf8'), 'new')
  }
  const score = '/proc/self/oom_score_adj'
  if (!existsSync(score)) return context.skip('no /proc')
  const script = `new FileBatchProcessor().addWriteOperation('${score}', '1000')
    .then(() => console.log(require('node:fs').readFileSync('${score}', 'utf8')))`
  assert.equal(await limited(':', script), 1000)
})

test('an open file stays the one that its descriptor names', unix, async (context) => {
  if (!existsSync('/proc/self/fd')) return context.skip('no /proc')
  const dir = await folder()
  const processor = new FileBatchProcessor()
  for (const at of ['/proc/self/fd', '/dev/fd']) {
    const file = await fs.open(`${dir}/file`, 'w+')
    await processor.addWriteOperation(`${at}/${file.fd}`, 'text')
    assert.equal((await fs.stat(`${dir}/file`)).ino, (await file.stat()).ino)
    await fs.rm(`${dir}/file`)
    await processor.addWriteOperation(`${at}/${file.fd}`, 'without a name')
    assert.equal(await file.readFile('utf8'), 'without a name')
    assert.deepEqual(await fs.readdir(dir), [])
    await file.close()
  }
})

test('files above 2 GiB are refused as node:fs refuses them', unix, async () => {
  const file = path.join(await folder(), 'huge')
  const handle = await fs.open(file, 'w')
  await handle.truncate(3e9)
  await handle.close()
  const ours = await failure(new FileBatchProcessor().addReadOperation(file))
  assert.deepEqual(ours, await failure(fs.readFile(file)))
})

test('text beyond the longest string is refused as node:fs refuses it', unix, async () => {
  const file = path.join(await folder(), 'long')
  const handle = await fs.open(file, 'w')
  await handle.truncate(2 ** 29)
  await handle.close()
  const reading = new FileBatchProcessor().addReadOperation(file)
  await assert.rejects(reading, { code: 'ERR_STRING_TOO_LONG' })
})

const busy = `
  const processor = new FileBatchProcessor()
  const large = Buffer.alloc(1 << 18)
  for (let index = 0; index < 400; index++) {
    const file = folder + '/' + index
    processor.addWriteOperation(file, large).catch(() => {})
    processor.addReadOperation(file).catch(() => {})
  }`

test('the process may exit with work in flight', unix, async () => {
  const dir = await folder()
  const script = `const folder = ${JSON.stringify(dir)};${busy}
    processor.addReadOperation(__filename).then(() => { console.log('1'); process.exit() })`
  assert.equal(await limited(':', script), 1)
})

test('a worker may be ended with work in flight', async () => {
  const folders = await Promise.all([folder(), folder(), folder()])
  const script = `const { workerData: folder, parentPort } = require('node:worker_threads')
    const { FileBatchProcessor } = require(${library});${busy}
    processor.addReadOperation(folder + '/0').then(() => parentPort.postMessage(0))`
  for (const dir of folders) {
    const worker = new Worker(script, { eval: true, workerData: dir })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await worker.terminate()
  }
  const file = path.join(await folder(), 'after')
  const processor = new FileBatchProcessor()
  await processor.addWriteOperation(file, 'still works')
  assert.equal(await processor.addReadOperation(file), 'still works')
})

test('nothing keeps the process alive', unix, async () => {
  const file = JSON.stringify(path.join(await folder(), 'file'))
  const script = `new FileBatchProcessor().addWriteOperation(${file}, '').then(() => console.log('1'))`
  assert.equal(await limited(':', script), 1)
})
