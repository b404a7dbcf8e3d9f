// @ts-check
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { currentHost, platformName } from '../lib/internal/platform.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = createRequire(import.meta.url)('../package.json')
const platform = platformName(currentHost())
const binary = `${manifest.name}.${platform}.node`

/**
 * Runs a command as a user would, not as a child of `npm test`, with a cargo that fails whoever calls it.
 *
 * @param {string} cwd
 * @param {string} command
 * @param {string[]} args
 */
async function run(cwd, command, args) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|path$)/i.test(name))
  const env = {
    ...Object.fromEntries(inherited),
    PATH: [join(temp, 'no-rust'), process.env.PATH].join(delimiter),
  }
  const shell = process.platform === 'win32'
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, shell })
  return stdout
}

/** @param {string} folder */
async function pack(folder) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', temp]
  const [{ filename, files }] = JSON.parse(await run(folder, 'npm', args))
  return {
    tarball: join(temp, filename),
    files: files.map((/** @type {{ path: string }} */ { path }) => path),
  }
}

function makeFailingCargo() {
  const folder = join(temp, 'no-rust')
  mkdirSync(folder)
  writeFileSync(join(folder, 'cargo'), '#!/bin/sh\nexit 1\n')
  chmodSync(join(folder, 'cargo'), 0o755)
  writeFileSync(join(folder, 'cargo.cmd'), '@exit /b 1\r\n')
}

/** @type {string} */
let temp
before(() => {
  temp = mkdtempSync(join(tmpdir(), 'aiwf-native-'))
  makeFailingCargo()
})
after(() => rmSync(temp, { recursive: true, force: true }))

describe('the packed package', () => {
  /** @type {string} */
  let app
  /** @type {string[]} */
  let files
  /** @type {string[]} */
  let platformFiles

  before(async () => {
    const platformFolder = join(temp, platform)
    cpSync(join(root, 'npm', platform), platformFolder, { recursive: true })
    copyFileSync(join(root, binary), join(platformFolder, binary))
    const main = await pack(root)
    const native = await pack(platformFolder)
    files = main.files
    platformFiles = native.files

    app = join(temp, 'app')
    mkdirSync(app)
    writeFileSync(join(app, 'package.json'), '{ "private": true }')
    const quiet = ['--offline', '--no-audit', '--no-fund']
    await run(app, 'npm', ['install', ...quiet, main.tarball, native.tarball])
  })

  const subpaths = Object.keys(manifest.exports)
    .filter((subpath) => !subpath.endsWith('.json'))
    .map((subpath) => subpath.replace(/^\./, manifest.name))

  for (const specifier of subpaths) {
    test(`gives ${specifier} to import and to require alike`, async () => {
      const code = `
        const required = require('${specifier}')
        const names = Object.keys(required)
        import('${specifier}').then((imported) => {
          const same = names.every((name) => imported[name] === required[name])
          console.log(JSON.stringify({ names, same }))
        })`
      const { names, same } = JSON.parse(await run(app, 'node', ['-e', code]))
      const fromClone = createRequire(import.meta.url)(specifier)
      assert.deepEqual(names, Object.keys(fromClone))
      assert.notEqual(names.length, 0)
      assert.ok(same)
    })
  }

  test('works', async () => {
    const code = `
      const { RateLimiter } = require('aiwf-native')
      const limiter = new RateLimiter(1, 1)
      Promise.all([limiter.waitForNext(), limiter.waitForNext()])
        .then(() => console.log(limiter.getStats().totalRequests))`
    assert.equal(await run(app, 'node', ['-e', code]), '2\n')
  })

  test('brings its command', async () => {
    assert.match(await run(app, 'npx', ['--no-install', 'aiwf-native', '--help']), /aiwf-native/)
  })

  test('holds what it needs and nothing else', () => {
    for (const file of ['package.json', 'README.md', 'LICENSE', 'lib/index.js', 'lib/index.d.ts']) {
      assert.ok(files.includes(file), file)
    }
    const intended =
      /^(lib\/.+\.(js|d\.ts|schema\.json)|bin\/[\w-]+\.js|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/
    assert.deepEqual(
      files.filter((file) => !intended.test(file)),
      [],
    )
  })

  test('leaves the binary to the package of the platform', () => {
    assert.deepEqual(platformFiles.toSorted(), ['README.md', binary, 'package.json'].toSorted())
  })
})
