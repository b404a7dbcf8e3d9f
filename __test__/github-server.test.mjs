// @ts-check
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { gitTree, memoryTree, startGitHubServer } from './support/github-server.mjs'

/** @typedef {import('node:test').TestContext} TestContext */
/** @typedef {import('./support/github-server.mjs').ServerOptions} ServerOptions */
/** @typedef {import('./support/github-server.mjs').TreeSource} TreeSource */

const SUBMODULE = '0123456789abcdef0123456789abcdef01234567'
const BINARY = Buffer.from([0, 1, 2, 255, 254])
const FILES = {
  'README.md': '# Project\n',
  'run.sh': { content: '#!/bin/sh\n', mode: /** @type {const} */ ('100755') },
  'docs/guide.md': 'Guide\n',
  'docs/deep/notes #1 100%.md': 'Notes\n',
  'docs/文件.md': 'Unicode\n',
  // Sorts before 'docs/' in git, after 'docs' by plain comparison.
  'docs.txt': 'Beside the folder\n',
  'logo.bin': BINARY,
  'latest.md': { link: 'docs/guide.md' },
  'docs/up.md': { link: '../README.md' },
  dangling: { link: 'nowhere' },
  'vendor/library': { submodule: SUBMODULE },
}

/**
 * @param {TestContext} t
 * @param {Partial<ServerOptions>} [options]
 */
async function start(t, options = {}) {
  const server = await startGitHubServer({
    repositories: { 'acme/site': memoryTree(FILES) },
    ...options,
  })
  t.after(() => server.close())
  return { server, repo: `${server.url}/repos/acme/site`, raw: `${server.rawUrl}/acme/site/main` }
}

/**
 * @param {string} url
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
async function getJson(url, headers) {
  const response = await fetch(url, { headers })
  assert.equal(response.status, 200, url)
  return response.json()
}

/** @param {string} url */
async function getBytes(url, accept = '*/*') {
  const response = await fetch(url, { headers: { accept } })
  assert.equal(response.status, 200, url)
  return Buffer.from(await response.arrayBuffer())
}

/**
 * A request with no header of its own, and its answer as far as it came.
 *
 * @param {string} url
 * @returns {Promise<{ status?: number, announced: number, body: Buffer, isComplete: boolean }>}
 */
async function bareGet(url) {
  const request = http.get(url, { agent: false })
  const [response] = /** @type {[http.IncomingMessage]} */ (await once(request, 'response'))
  /** @type {Buffer[]} */
  const chunks = []
  response.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
  await new Promise((resolve) => response.once('close', resolve))
  return {
    status: response.statusCode,
    announced: Number(response.headers['content-length']),
    body: Buffer.concat(chunks),
    isComplete: response.complete,
  }
}

/** @param {Buffer} bytes */
const blobSha = (bytes) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

/** @param {string} content */
const decode = (content) => Buffer.from(content, 'base64').toString()

/** @param {Response} response */
function links(response) {
  const found = (response.headers.get('link') ?? '').matchAll(/<([^>]*)>; rel="(\w+)"/g)
  return Object.fromEntries(Array.from(found, ([, url, rel]) => [rel, url]))
}

/** A promise to await and the function that settles it. */
function signal() {
  /** @type {() => void} */
  let fire = () => {}
  const fired = /** @type {Promise<void>} */ (new Promise((resolve) => (fire = resolve)))
  return { fire, fired }
}

/**
 * The FILES as a commit made by git itself. Modes, links and submodules go straight into the index,
 * so that it works on file systems without them.
 *
 * @param {TestContext} t
 */
async function makeRepository(t) {
  const folder = await mkdtemp(join(tmpdir(), 'github-server-'))
  /** @type {TreeSource[]} */
  const opened = []
  t.after(async () => {
    // A running git would hold on to its folder.
    await Promise.all(opened.map((tree) => tree.close()))
    await rm(folder, { recursive: true, force: true })
  })
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')),
  )
  /**
   * @param {string[]} args
   * @param {string} [input]
   */
  const git = (args, input) => {
    const options = ['user.name=Test', 'user.email=test@example.invalid', 'commit.gpgsign=false']
    const flags = [...options, 'core.autocrlf=false'].flatMap((option) => ['-c', option])
    return execFileSync('git', [...flags, '-C', folder, ...args], { env, input })
      .toString()
      .trim()
  }
  git(['init', '--quiet'])
  for (const [path, file] of Object.entries(FILES)) {
    if (typeof file === 'object' && 'submodule' in file) {
      git(['update-index', '--add', '--cacheinfo', `160000,${file.submodule},${path}`])
    } else if (typeof file === 'object' && 'link' in file) {
      const sha = git(['hash-object', '-w', '--stdin'], file.link)
      git(['update-index', '--add', '--cacheinfo', `120000,${sha},${path}`])
    } else {
      const isPlain = typeof file === 'string' || Buffer.isBuffer(file)
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), isPlain ? file : file.content)
      git(['add', path])
      if (!isPlain) git(['update-index', '--chmod=+x', path])
    }
  }
  git(['commit', '--quiet', '--message', 'First'])
  /** @param {string} [revision] */
  const open = async (revision) => {
    const tree = await gitTree(folder, revision)
    opened.push(tree)
    return tree
  }
  return { folder, git, open }
}

describe('trees', () => {
  test('a memory tree is what git makes of the same files', async (t) => {
    const { git, open } = await makeRepository(t)
    const real = await open()
    const memory = memoryTree(FILES)
    assert.equal(real.commit, git(['rev-parse', 'HEAD']))
    assert.equal(memory.tree, real.tree)
    assert.deepEqual(memory.entries, real.entries)
    for (const { type, sha } of real.entries) {
      if (type === 'blob') assert.deepEqual(await real.read(sha), await memory.read(sha))
    }
    await assert.rejects(memory.read(SUBMODULE))
  })

  test('the commit of a memory tree is the one git would name so', async (t) => {
    const { git } = await makeRepository(t)
    const { tree, commit, time } = memoryTree(FILES)
    const person = `Memory Tree <memory-tree@example.invalid> ${time} +0000`
    const text = `tree ${tree}\nauthor ${person}\ncommitter ${person}\n\nTree built in memory\n`
    assert.equal(git(['hash-object', '-t', 'commit', '--stdin'], text), commit)
  })

  test('a git tree answers many reads at once, and again after close', async (t) => {
    const { folder, git, open } = await makeRepository(t)
    const large = Buffer.alloc(3_000_000, 'large\n')
    await writeFile(join(folder, 'large.txt'), large)
    git(['add', 'large.txt'])
    git(['commit', '--quiet', '--message', 'Second'])

    const tree = await open()
    const readme = blobSha(Buffer.from('# Project\n'))
    const reads = [readme, blobSha(large), SUBMODULE, readme].map((sha) => tree.read(sha))
    const [first, second, missing, last] = await Promise.allSettled(reads)
    assert.deepEqual(first, { status: 'fulfilled', value: Buffer.from('# Project\n') })
    assert.ok(second.status === 'fulfilled' && second.value.equals(large))
    assert.equal(missing.status, 'rejected')
    assert.deepEqual(last, first)

    const pending = tree.read(readme)
    await tree.close()
    await tree.close()
    assert.equal((await pending).toString(), '# Project\n')
    assert.equal((await tree.read(readme)).toString(), '# Project\n')
    assert.equal((await open('HEAD~1')).entries.length, tree.entries.length - 1)
    await assert.rejects(open('no-such-branch'))
  })

  test('a git tree is not led to another repository by the environment of a hook', async (t) => {
    const { folder, git, open } = await makeRepository(t)
    process.env.GIT_DIR = join(folder, 'elsewhere')
    t.after(() => delete process.env.GIT_DIR)
    assert.equal((await open()).commit, git(['rev-parse', 'HEAD']))
  })

  test('a closed server leaves nothing that keeps the process alive', async (t) => {
    const { folder } = await makeRepository(t)
    const script = `
      const { gitTree, startGitHubServer } = await import(process.argv[1])
      const tree = await gitTree(process.argv[2])
      const server = await startGitHubServer({ repositories: { 'a/b': tree } })
      server.inject({ match: '/issues', hang: true })
      fetch(server.url + '/repos/a/b/issues').catch(() => {})
      const response = await fetch(server.url + '/raw/a/b/main/README.md')
      process.stdout.write(await response.text())
      await server.close()`
    const module = new URL('./support/github-server.mjs', import.meta.url).href
    const args = ['--input-type=module', '--eval', script, module, folder]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
    assert.equal(stdout, '# Project\n')
  })
})

describe('endpoints', () => {
  test('repository, found whatever the case of its name', async (t) => {
    const { server, repo } = await start(t, { defaultBranch: 'trunk' })
    const response = await fetch(repo)
    const body = await response.json()
    assert.equal(body.full_name, 'acme/site')
    assert.equal(body.default_branch, 'trunk')
    assert.equal(body.url, repo)
    assert.equal(response.headers.get('last-modified'), 'Mon, 01 Jan 2024 00:00:00 GMT')
    assert.equal((await getJson(`${server.url}/repos/ACME/Site`)).full_name, 'acme/site')
  })

  test('headers of an API answer', async (t) => {
    const { repo } = await start(t, { now: () => 1_700_000_000_000 })
    const { headers } = await fetch(repo)
    const expected = {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'public, max-age=60, s-maxage=60',
      vary: 'Accept, Authorization, Cookie, X-GitHub-OTP',
      date: 'Tue, 14 Nov 2023 22:13:20 GMT',
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '4999',
      'x-ratelimit-reset': '1700003600',
      'x-ratelimit-used': '1',
      'x-ratelimit-resource': 'core',
      'x-github-request-id': '7E57:00000001',
      'x-github-media-type': 'github.v3; format=json',
    }
    for (const [name, value] of Object.entries(expected)) assert.equal(headers.get(name), value)
    assert.match(headers.get('etag') ?? '', /^W\/"[0-9a-f]{64}"$/)
  })

  test('contents of folders', async (t) => {
    const { server, repo } = await start(t)
    const root = await getJson(`${repo}/contents`)
    assert.deepEqual(
      root.map((/** @type {any} */ item) => [item.name, item.type]),
      [
        ['README.md', 'file'],
        ['dangling', 'symlink'],
        ['docs', 'dir'],
        ['docs.txt', 'file'],
        ['latest.md', 'symlink'],
        ['logo.bin', 'file'],
        ['run.sh', 'file'],
        ['vendor', 'dir'],
      ],
    )
    assert.deepEqual(await getJson(`${repo}/contents/`), root)

    const docs = await getJson(`${repo}/contents/docs?ref=HEAD`)
    const guide = docs.find((/** @type {any} */ item) => item.name === 'guide.md')
    const sha = blobSha(Buffer.from('Guide\n'))
    const self = `${repo}/contents/docs/guide.md?ref=HEAD`
    const html = `${server.url}/acme/site/blob/HEAD/docs/guide.md`
    assert.deepEqual(guide, {
      name: 'guide.md',
      path: 'docs/guide.md',
      sha,
      size: 6,
      url: self,
      html_url: html,
      git_url: `${repo}/git/blobs/${sha}`,
      download_url: `${server.rawUrl}/acme/site/HEAD/docs/guide.md`,
      type: 'file',
      _links: { self, git: `${repo}/git/blobs/${sha}`, html },
    })
    const [submodule] = await getJson(`${repo}/contents/vendor`)
    assert.equal(submodule.type, 'submodule')
    assert.equal(submodule.download_url, null)
    for (const item of docs) {
      if (item.download_url) assert.equal(blobSha(await getBytes(item.download_url)), item.sha)
      assert.equal((await fetch(item.url)).status, 200)
      assert.equal((await fetch(item.git_url)).status, 200)
    }
  })

  test('contents of files, as JSON and raw', async (t) => {
    const tree = memoryTree({ ...FILES, 'wide.txt': 'x'.repeat(100) })
    const { repo } = await start(t, { repositories: { 'acme/site': tree } })
    const readme = await getJson(`${repo}/contents/README.md?ref=${tree.commit}`)
    assert.equal(readme.encoding, 'base64')
    assert.equal(decode(readme.content), '# Project\n')
    const wide = await getJson(`${repo}/contents/wide.txt`)
    assert.deepEqual(
      wide.content.split('\n').map((/** @type {string} */ line) => line.length),
      [60, 60, 16, 0],
    )
    for (const type of ['application/vnd.github.raw', 'application/vnd.github.raw+json']) {
      const accept = `${type}, application/json;q=0.5`
      const response = await fetch(`${repo}/contents/logo.bin`, { headers: { accept } })
      assert.equal(response.headers.get('content-type'), `${type}; charset=utf-8`)
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), BINARY)
    }
    assert.equal(
      decode((await getJson(`${repo}/contents/docs/deep/notes%20%231%20100%25.md`)).content),
      'Notes\n',
    )
  })

  test('contents of links and submodules', async (t) => {
    const { repo } = await start(t)
    const up = await getJson(`${repo}/contents/docs/up.md`)
    assert.equal(up.type, 'file')
    assert.equal(up.path, 'docs/up.md')
    assert.equal(decode(up.content), '# Project\n')
    const dangling = await getJson(`${repo}/contents/dangling`)
    assert.equal(dangling.type, 'symlink')
    assert.equal(dangling.target, 'nowhere')
    const submodule = await getJson(`${repo}/contents/vendor/library`)
    assert.equal(submodule.type, 'submodule')
    assert.equal(submodule.sha, SUBMODULE)
  })

  test('contents keep to the limits GitHub has', async (t) => {
    const many = Array.from({ length: 1001 }, (_, index) => [`many/${index}`, 'same'])
    const large = Buffer.alloc(1024 * 1024 + 1, 'large\n')
    const tree = memoryTree({ ...Object.fromEntries(many), 'large.txt': large })
    const { repo } = await start(t, { repositories: { 'acme/site': tree } })
    assert.equal((await getJson(`${repo}/contents/many`)).length, 1000)
    const { content, encoding, size } = await getJson(`${repo}/contents/large.txt`)
    assert.deepEqual([content, encoding, size], ['', 'none', large.length])
    const raw = await getBytes(`${repo}/contents/large.txt`, 'application/vnd.github.raw')
    assert.ok(raw.equals(large))
  })

  test('trees by branch, commit and tree, whole or one level', async (t) => {
    const tree = memoryTree(FILES)
    const options = { repositories: { 'acme/site': tree }, defaultBranch: 'release/1.x' }
    const { repo } = await start(t, options)
    const whole = await getJson(`${repo}/git/trees/HEAD?recursive=1`)
    assert.equal(whole.sha, tree.commit)
    assert.equal(whole.truncated, false)
    assert.deepEqual(
      whole.tree,
      tree.entries.map(({ size, ...rest }) => ({
        ...rest,
        ...(rest.type === 'blob' && { size }),
        ...(rest.type !== 'commit' && { url: `${repo}/git/${rest.type}s/${rest.sha}` }),
      })),
    )
    const names = ['release%2F1.x', 'release/1.x', 'refs%2Fheads%2Frelease%2F1.x', tree.commit]
    for (const name of names) {
      assert.deepEqual(await getJson(`${repo}/git/trees/${name}?recursive=true`), whole)
    }
    const byTree = await getJson(`${repo}/git/trees/${tree.tree}?recursive=1`)
    assert.equal(byTree.sha, tree.tree)
    assert.deepEqual(byTree.tree, whole.tree)

    const level = await getJson(`${repo}/git/trees/HEAD`)
    const paths = level.tree.map((/** @type {any} */ entry) => entry.path)
    assert.deepEqual(paths.slice(1, 4), ['dangling', 'docs.txt', 'docs'])
    const docs = await getJson(level.tree[3].url)
    assert.deepEqual(
      docs.tree.map((/** @type {any} */ entry) => [entry.path, entry.mode, entry.type]),
      [
        ['deep', '040000', 'tree'],
        ['guide.md', '100644', 'blob'],
        ['up.md', '120000', 'blob'],
        ['文件.md', '100644', 'blob'],
      ],
    )
    const inDocs = await getJson(`${level.tree[3].url}?recursive=1`)
    assert.equal(inDocs.tree[1].path, 'deep/notes #1 100%.md')
    assert.equal((await fetch(`${repo}/git/trees/other`)).status, 404)
  })

  test('large trees are truncated when recursive only', async (t) => {
    const { repo } = await start(t, { truncateTreesAt: 3 })
    const { tree, truncated } = await getJson(`${repo}/git/trees/main?recursive=1`)
    assert.deepEqual([tree.length, truncated], [3, true])
    const level = await getJson(`${repo}/git/trees/main`)
    assert.deepEqual([level.tree.length, level.truncated], [8, false])
  })

  test('blobs', async (t) => {
    const { repo } = await start(t)
    const sha = blobSha(BINARY)
    const blob = await getJson(`${repo}/git/blobs/${sha}`)
    assert.deepEqual([blob.sha, blob.size, blob.encoding], [sha, BINARY.length, 'base64'])
    assert.deepEqual(Buffer.from(blob.content, 'base64'), BINARY)
    assert.deepEqual(
      await getBytes(`${repo}/git/blobs/${sha}`, 'application/vnd.github.raw+json'),
      BINARY,
    )
    assert.equal((await fetch(`${repo}/git/blobs/${SUBMODULE}`)).status, 404)
    assert.equal((await fetch(`${repo}/git/blobs/main`)).status, 422)
  })

  test('commits and issues are paged', async (t) => {
    const { repo } = await start(t, { commitCount: 65, issueCount: 2 })
    const first = await fetch(`${repo}/commits`)
    assert.deepEqual(links(first), {
      next: `${repo}/commits?page=2`,
      last: `${repo}/commits?page=3`,
    })
    const shas = new Set()
    let url = `${repo}/commits?per_page=20`
    const sizes = []
    while (url) {
      const response = await fetch(url)
      const items = await response.json()
      sizes.push(items.length)
      for (const { sha } of items) shas.add(sha)
      url = links(response).next
    }
    assert.deepEqual(sizes, [20, 20, 20, 5])
    assert.equal(shas.size, 65)

    const middle = links(await fetch(`${repo}/commits?state=all&per_page=20&page=2`))
    const page = (/** @type {number} */ number) =>
      `${repo}/commits?state=all&per_page=20&page=${number}`
    assert.deepEqual(middle, { prev: page(1), next: page(3), last: page(4), first: page(1) })

    const beyond = await fetch(`${repo}/commits?per_page=20&page=9`)
    assert.deepEqual(await beyond.json(), [])
    assert.deepEqual(Object.keys(links(beyond)), ['prev', 'first'])
    assert.equal((await getJson(`${repo}/commits?per_page=1000`)).length, 65)

    const issues = await fetch(`${repo}/issues?per_page=100`)
    assert.equal(issues.headers.get('link'), null)
    assert.deepEqual(
      (await issues.json()).map((/** @type {any} */ issue) => issue.number),
      [2, 1],
    )
  })

  test('raw files', async (t) => {
    const { server, raw } = await start(t)
    const response = await fetch(`${raw}/docs/deep/notes%20%231%20100%25.md`)
    assert.equal(await response.text(), 'Notes\n')
    assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.equal(response.headers.get('cache-control'), 'max-age=300')
    assert.equal(response.headers.get('x-ratelimit-limit'), null)
    const etag = response.headers.get('etag') ?? ''
    const again = await fetch(response.url, { headers: { 'if-none-match': etag } })
    assert.equal(again.status, 304)

    const binary = await fetch(`${raw}/logo.bin`)
    assert.equal(binary.headers.get('content-type'), 'application/octet-stream')
    assert.deepEqual(Buffer.from(await binary.arrayBuffer()), BINARY)
    assert.equal((await getBytes(`${raw}/latest.md`)).toString(), 'docs/guide.md')
    for (const path of ['missing', 'docs', 'vendor/library', '%E0%A4%A']) {
      const missing = await fetch(`${raw}/${path}`)
      assert.deepEqual([missing.status, await missing.text()], [404, '404: Not Found'])
    }
    assert.equal((await getJson(`${server.url}/rate_limit`)).rate.used, 0)
  })

  test('HEAD tells what GET would', async (t) => {
    const { repo, raw, server } = await start(t)
    for (const url of [repo, `${repo}/contents/docs`, `${raw}/README.md`]) {
      const get = await fetch(url)
      const body = await get.arrayBuffer()
      const { bytes } = server.served
      const head = await fetch(url, { method: 'HEAD' })
      assert.equal(head.status, 200)
      assert.equal(head.headers.get('content-length'), String(body.byteLength))
      assert.equal(head.headers.get('etag'), get.headers.get('etag'))
      assert.equal(server.served.bytes, bytes)
    }
  })

  test('errors have the shape GitHub gives them', async (t) => {
    const { server, repo } = await start(t)
    const paths = ['contents/missing', 'contents/README.md/x', 'git/tags', 'git/blobs', 'issues/1']
    const urls = [server.url, `${server.url}/repos/a/b`, ...paths.map((path) => `${repo}/${path}`)]
    for (const url of urls) {
      const response = await fetch(url)
      assert.equal(response.status, 404, url)
      assert.equal(response.headers.get('cache-control'), null)
      const { documentation_url, ...body } = await response.json()
      assert.deepEqual(body, { message: 'Not Found', status: '404' })
      assert.match(documentation_url, /^https:\/\/docs\.github\.com\//)
    }
    const ref = await fetch(`${repo}/contents/README.md?ref=other`)
    assert.equal(ref.status, 404)
    assert.equal((await ref.json()).message, 'No commit found for the ref other')
    assert.equal((await fetch(`${repo}/contents/%E0%A4%A`)).status, 400)

    const post = await fetch(`${repo}/issues`, { method: 'POST', body: '{"title":"New"}' })
    assert.equal(post.status, 405)
    assert.equal(post.headers.get('allow'), 'GET, HEAD')
    assert.equal((await post.json()).message, 'Method Not Allowed')
  })

  test('a tree of hostile names is served as it is', async (t) => {
    const files = {
      '../evil': 'up',
      '/etc/passwd': 'absolute',
      'a/../../b': 'through',
      'C:\\windows\\x': 'drive',
      'a b/c#d?e%2F.txt': 'punctuation',
      'ünï/コード.txt': 'unicode',
      '.git/config': 'git',
      place: { link: '/tmp' },
      'place/file': 'behind the link',
    }
    const tree = memoryTree(files)
    const { repo, raw } = await start(t, { repositories: { 'acme/site': tree } })
    const listing = await getJson(`${repo}/git/trees/main?recursive=1`)
    const leaves = listing.tree.filter((/** @type {any} */ entry) => entry.type === 'blob')
    assert.deepEqual(
      leaves.map((/** @type {any} */ entry) => entry.path).sort(),
      Object.keys(files).sort(),
    )
    for (const { path, url, mode } of leaves) {
      const file = /** @type {Record<string, string | { link: string }>} */ (files)[path]
      const text = typeof file === 'string' ? file : file.link
      assert.equal(decode((await getJson(url)).content), text)
      if (mode === '120000') continue
      // One segment, because a URL would resolve the dots of '..' standing alone.
      const segment = encodeURIComponent(path)
      assert.equal(decode((await getJson(`${repo}/contents/${segment}`)).content), text)
      assert.equal((await getBytes(`${raw}/${segment}`)).toString(), text)
    }
    const nameless = listing.tree.find((/** @type {any} */ entry) => entry.path === '')
    assert.equal((await getJson(nameless.url)).tree[0].path, 'etc')
  })
})

describe('caching, authorization and limits', () => {
  test('a known answer is not sent again and costs nothing', async (t) => {
    const { server, repo } = await start(t)
    const first = await fetch(repo)
    await first.arrayBuffer()
    const etag = first.headers.get('etag') ?? ''
    const { bytes } = server.served
    for (const known of [etag, etag.slice(2), `"other", ${etag}`, '*']) {
      const response = await fetch(repo, { headers: { 'if-none-match': known } })
      assert.equal(response.status, 304, known)
      assert.equal(await response.text(), '')
      assert.equal(response.headers.get('etag'), etag)
      assert.equal(response.headers.get('x-ratelimit-used'), '1')
    }
    assert.equal(server.served.notModified, 4)
    assert.equal(server.served.bytes, bytes)
    for (const unknown of ['"other"', etag.slice(3, -1)]) {
      const response = await fetch(repo, { headers: { 'if-none-match': unknown } })
      assert.equal(response.status, 200)
    }
    assert.equal((await fetch(`${repo}/x`, { headers: { 'if-none-match': '*' } })).status, 404)
  })

  test('an answer belongs to the authorization it was given for', async (t) => {
    const { repo } = await start(t)
    const open = await fetch(repo)
    const authorized = await fetch(repo, { headers: { authorization: 'Bearer one' } })
    assert.equal(authorized.headers.get('cache-control'), 'private, max-age=60, s-maxage=60')
    assert.notEqual(authorized.headers.get('etag'), open.headers.get('etag'))
    assert.equal(await authorized.text(), await open.text())
  })

  test('a private repository is hidden from whoever lacks the token', async (t) => {
    const { server, repo, raw } = await start(t, { token: 'secret' })
    for (const authorization of ['', 'Bearer wrong', 'Basic secret']) {
      assert.equal((await fetch(repo, { headers: { authorization } })).status, 404)
      assert.equal((await fetch(`${raw}/README.md`, { headers: { authorization } })).status, 404)
    }
    for (const authorization of ['Bearer secret', 'token secret']) {
      assert.equal((await getJson(repo, { authorization })).private, true)
      assert.equal((await fetch(`${raw}/README.md`, { headers: { authorization } })).status, 200)
    }
    assert.equal((await fetch(`${server.url}/rate_limit`)).status, 200)
  })

  test('the API wants a user agent, raw files do not', async (t) => {
    const { server, repo, raw } = await start(t)
    const refused = await bareGet(repo)
    assert.equal(refused.status, 403)
    assert.match(refused.body.toString(), /User-Agent/)
    assert.equal((await bareGet(`${raw}/README.md`)).status, 200)
    assert.equal((await getJson(`${server.url}/rate_limit`)).rate.used, 0)
  })

  test('the rate limit ends with its window', async (t) => {
    let clock = 1_000_500
    const rateLimit = { limit: 2, windowMs: 60_000 }
    const { server, repo, raw } = await start(t, { rateLimit, now: () => clock })
    const first = await fetch(repo)
    const known = { 'if-none-match': first.headers.get('etag') ?? '' }
    assert.equal((await fetch(repo, { headers: known })).status, 304)
    assert.equal((await fetch(`${repo}/missing`)).headers.get('x-ratelimit-remaining'), '0')

    for (const headers of [{}, known]) {
      const refused = await fetch(repo, { headers })
      assert.equal(refused.status, 403)
      assert.equal(refused.headers.get('x-ratelimit-remaining'), '0')
      assert.equal(refused.headers.get('x-ratelimit-used'), '2')
      assert.equal(refused.headers.get('x-ratelimit-reset'), '1061')
      assert.equal(refused.headers.get('retry-after'), null)
      assert.match((await refused.json()).message, /^API rate limit exceeded for 127\.0\.0\.1\./)
    }
    assert.equal(server.served.rateLimited, 2)
    assert.equal((await fetch(`${raw}/README.md`)).status, 200)
    const { rate, resources } = await getJson(`${server.url}/rate_limit`)
    const core = { limit: 2, used: 2, remaining: 0, reset: 1061, resource: 'core' }
    assert.deepEqual([rate, resources.core], [core, core])

    clock += 59_999
    assert.equal((await fetch(repo)).status, 403)
    clock += 1
    assert.equal((await fetch(repo)).headers.get('x-ratelimit-remaining'), '1')
  })

  test('requests at once do not exceed the limit', async (t) => {
    const { repo, server } = await start(t, { rateLimit: { limit: 3, windowMs: 3_600_000 } })
    const url = `${repo}/contents/README.md`
    await Promise.all(Array.from({ length: 8 }, () => fetch(url)))
    assert.deepEqual(server.served.byStatus, { 200: 3, 403: 5 })
  })
})

describe('faults', () => {
  test('the oldest matching rule with times left applies', async (t) => {
    const { server, repo } = await start(t)
    const twice = server.inject({ match: '/contents', times: 2, status: 502 })
    const always = server.inject({ match: /\/contents\/docs/g, times: Infinity, status: 503 })
    const heads = server.inject({ match: ({ method }) => method === 'HEAD', status: 500 })
    /** @param {string} path */
    const status = async (path, method = 'GET') => (await fetch(repo + path, { method })).status
    assert.equal(await status(''), 200)
    assert.equal(await status('/contents/docs'), 502)
    assert.equal(await status('/contents'), 502)
    assert.equal(await status('/contents'), 200)
    assert.equal(await status('/contents/docs'), 503)
    assert.equal(await status('/contents/docs'), 503)
    assert.equal(await status('', 'HEAD'), 500)
    assert.equal(await status('', 'HEAD'), 200)
    assert.deepEqual([twice.used, always.used, heads.used], [2, 2, 1])
    assert.equal(server.served.injected, 5)
    always.remove()
    assert.equal(await status('/contents/docs'), 200)
  })

  test('status, headers and body', async (t) => {
    const { server, repo, raw } = await start(t)
    server.inject({ status: 502, retryAfter: 3 })
    const failed = await fetch(repo)
    assert.equal(failed.status, 502)
    assert.equal(failed.headers.get('retry-after'), '3')
    assert.deepEqual(await failed.json(), {
      message: 'Bad Gateway',
      documentation_url: 'https://docs.github.com/rest',
      status: '502',
    })

    server.inject({ body: { tree: 'none' } })
    assert.deepEqual(await getJson(repo), { tree: 'none' })
    server.inject({ body: '<html>', headers: { 'Content-Type': 'text/html' } })
    const html = await fetch(repo)
    assert.deepEqual([html.headers.get('content-type'), await html.text()], ['text/html', '<html>'])
    server.inject({ status: 301, headers: { location: `${repo}/issues` } })
    assert.equal((await fetch(repo)).url, `${repo}/issues`)
    server.inject({ headers: { etag: null, 'X-Extra': 'yes' } })
    const altered = await fetch(repo)
    assert.deepEqual([altered.headers.get('etag'), altered.headers.get('x-extra')], [null, 'yes'])
    assert.equal((await altered.json()).full_name, 'acme/site')
    server.inject({ status: 204 })
    assert.equal((await fetch(`${raw}/README.md`)).status, 204)
  })

  test('secondary rate limits, with headers and without', async (t) => {
    const { server, repo } = await start(t)
    server.inject({ secondary: 'with-headers' })
    const told = await fetch(repo)
    assert.equal(told.status, 403)
    assert.equal(told.headers.get('retry-after'), '60')
    assert.equal(told.headers.get('x-ratelimit-remaining'), '5000')
    assert.match((await told.json()).message, /secondary rate limit/)

    server.inject({ secondary: 'with-headers', status: 429, retryAfter: 0 })
    const soon = await fetch(repo)
    assert.deepEqual([soon.status, soon.headers.get('retry-after')], [429, '0'])

    server.inject({ secondary: 'without-headers' })
    const untold = await fetch(repo)
    assert.equal(untold.headers.get('retry-after'), null)
    assert.equal(untold.headers.get('x-ratelimit-remaining'), null)
    assert.match((await untold.json()).message, /secondary rate limit/)
    assert.equal(server.served.rateLimited, 3)
  })

  test('latency delays the answer it leaves alone', async (t) => {
    const { server, repo } = await start(t)
    server.inject({ latencyMs: 60 })
    const started = performance.now()
    assert.equal((await getJson(repo)).full_name, 'acme/site')
    // Timers may fire a little early.
    assert.ok(performance.now() - started > 50)
  })

  test('a truncated body breaks off where told', async (t) => {
    const { server, raw } = await start(t)
    for (const truncateAt of [0, 4]) {
      server.inject({ truncateAt })
      const broken = await bareGet(`${raw}/README.md`)
      assert.deepEqual(
        [broken.status, broken.announced, broken.body.toString(), broken.isComplete],
        [200, 10, '# Project\n'.slice(0, truncateAt), false],
      )
    }
    server.inject({ truncateAt: 4 })
    const response = await fetch(`${raw}/README.md`)
    await assert.rejects(response.text())
    assert.equal(server.served.bytes, 8)
  })

  test('a reset connection gives no answer', async (t) => {
    const { server, repo } = await start(t)
    server.inject({ reset: true })
    await assert.rejects(fetch(repo), (/** @type {any} */ error) => {
      return error.cause.code === 'ECONNRESET'
    })
    assert.equal(server.requests[0].status, 0)
    assert.equal((await fetch(repo)).status, 200)
  })

  test('a corrupt body differs in one byte', async (t) => {
    const { server, repo, raw } = await start(t)
    for (const url of [`${raw}/logo.bin`, repo]) {
      const intact = await getBytes(url)
      server.inject({ corrupt: true })
      const corrupt = await getBytes(url)
      assert.equal(corrupt.length, intact.length)
      assert.equal(corrupt.filter((byte, index) => byte !== intact[index]).length, 1)
      assert.deepEqual(await getBytes(url), intact)
    }
  })

  test('hanging and slow requests end when the server closes', async (t) => {
    const { server, repo } = await start(t)
    const arrived = signal()
    /** @type {import('./support/github-server.mjs').Rule['match']} */
    const match = () => {
      if (server.requests.length === 4) arrived.fire()
      return true
    }
    server.inject({ match, times: 3, hang: true })
    server.inject({ match, latencyMs: 3_600_000 })
    const pending = Promise.allSettled(Array.from({ length: 4 }, () => fetch(repo)))
    await arrived.fired
    assert.equal(server.served.maxConcurrent, 4)
    await server.close()
    for (const { status } of await pending) assert.equal(status, 'rejected')
    assert.deepEqual(server.served.byStatus, {})
  })

  test('a match that throws is told to the client', async (t) => {
    const { server, repo } = await start(t)
    server.inject({
      match() {
        throw new Error('bad match')
      },
    })
    const response = await fetch(repo)
    assert.equal(response.status, 500)
    assert.match((await response.json()).message, /bad match/)
  })
})

describe('counts and life', () => {
  test('what was served is counted by kind', async (t) => {
    const { server, repo, raw } = await start(t)
    const [{ sha }] = await getJson(`${repo}/contents?ref=main`)
    await fetch(`${repo}/contents/docs`)
    await fetch(`${repo}/git/trees/main`)
    await fetch(`${repo}/git/blobs/${sha}`, { headers: { 'x-mark': 'here' } })
    await fetch(`${raw}/README.md`)
    await fetch(`${raw}/contents/missing`)
    const { bytes, ...counts } = server.served
    assert.ok(bytes > 0)
    assert.deepEqual(counts, {
      total: 6,
      api: 4,
      raw: 2,
      trees: 1,
      contents: 2,
      blobs: 1,
      notModified: 0,
      rateLimited: 0,
      injected: 0,
      byStatus: { 200: 5, 404: 1 },
      maxConcurrent: 1,
    })
    const { method, path, status, headers } = server.requests[3]
    assert.deepEqual([method, path, status], ['GET', `/repos/acme/site/git/blobs/${sha}`, 200])
    assert.equal(headers['x-mark'], 'here')
  })

  test('reset forgets counts, requests, rules and the rate window', async (t) => {
    const { server, repo } = await start(t)
    const { served, requests } = server
    const rule = server.inject({ times: Infinity, status: 500 })
    await fetch(repo)
    server.reset()
    assert.equal(requests.length, 0)
    assert.deepEqual([served.total, served.byStatus], [0, {}])
    assert.equal((await fetch(repo)).headers.get('x-ratelimit-used'), '1')
    assert.deepEqual([served.total, requests.length, rule.used], [1, 1, 1])
  })

  test('close destroys idle connections and may be repeated', async (t) => {
    const { server, repo } = await start(t)
    const agent = new http.Agent({ keepAlive: true })
    const request = http.get(repo, { agent, headers: { 'user-agent': 'test' } })
    const [response] = await once(request, 'response')
    response.resume()
    await once(response, 'end')
    const silent = net.connect(server.port, '127.0.0.1')
    await once(silent, 'connect')
    silent.on('error', () => {})
    const ended = once(silent, 'close')
    await Promise.all([server.close(), server.close(), server[Symbol.asyncDispose]()])
    await ended
    await assert.rejects(fetch(repo))
  })
})
