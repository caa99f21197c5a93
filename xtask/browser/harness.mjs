// What the stories share: cases, a browser, and a server that shows what arrived at an application's callback.
import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { inspect } from 'node:util'
import { chromium } from 'playwright-core'

const require = createRequire(import.meta.url)

export const USER = 'user@example.com'
export const PASSWORD = 'Correct-Horse-9'
export const CALLBACK = 'http://localhost:3000/callback'
export const SECOND_CALLBACK = 'http://127.0.0.1:9999/cb'
const PATIENCE = 30_000

/** One line on standard output for each case. A failure does not keep the next cases from running. */
export class Cases {
  constructor(prefix) {
    this.prefix = prefix
    this.count = 0
  }

  async case(name, run) {
    this.count += 1
    try {
      await run()
      this.say({ name: this.prefix + name, ok: true })
    } catch (error) {
      this.say({ name: this.prefix + name, ok: false, why: inspect(error) })
    }
  }

  /** Something that could not be tried, and why. */
  note(text) {
    this.say({ note: text })
  }

  say(line) {
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
}

/** The digest by which Chromium is told to trust one certificate, once our own check has found it good. */
async function pin(origin, caFile) {
  const { port } = new URL(origin)
  const certificate = await new Promise((resolve, reject) => {
    const options = { host: 'localhost', port, servername: 'localhost', ca: readFileSync(caFile) }
    const socket = connect(options, () => {
      resolve(socket.getPeerX509Certificate())
      socket.end()
    })
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error(`${origin} does not answer`)))
    socket.on('error', reject)
  })
  return createHash('sha256').update(certificate.publicKey.export({ type: 'spki', format: 'der' })).digest('base64')
}

const SCRIPTS = {
  '/spa.js': '@auth0/auth0-spa-js/dist/auth0-spa-js.production.js',
  '/auth0.js': 'auth0-js/dist/auth0.min.js',
  '/oidc.js': 'oidc-client-ts/dist/browser/oidc-client-ts.min.js',
}

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

/** The application: shows query and form as they arrived, and the fragment by a script. */
async function application() {
  const forms = []
  const server = createServer(async (request, answer) => {
    const { pathname, search } = new URL(request.url, 'http://localhost')
    const script = SCRIPTS[pathname]
    if (script) {
      const file = new URL(`./node_modules/${script}`, import.meta.url)
      return answer.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(file))
    }
    if (pathname === '/favicon.ico') {
      return answer.writeHead(204).end()
    }
    let form = ''
    for await (const chunk of request.setEncoding('utf8')) {
      form += chunk
    }
    if (request.method === 'POST') {
      forms.push(form)
    }
    answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(
      `<!doctype html><html lang="en"><title>Application</title><link rel="icon" href="data:,"><h1>Application</h1>
<pre id="query">${escaped(search)}</pre><pre id="form">${escaped(form)}</pre><pre id="fragment"></pre>
<script>document.getElementById('fragment').textContent = location.hash</script></html>`,
    )
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, forms, port: server.address().port }
}

/** A browser and what belongs to it. */
export async function start(question) {
  const app = await application()
  const spki = await pin(question.origins.https, question.ca_file)
  // The registered callbacks have fixed ports; the browser is told that they are a free one.
  const rules = ['localhost:3000', '127.0.0.1:9999'].map((host) => `MAP ${host} 127.0.0.1:${app.port}`).join(', ')
  const settings = {
    executablePath: question.chromium,
    chromiumSandbox: process.getuid() !== 0,
    args: [`--host-resolver-rules=${rules}`, `--ignore-certificate-errors-spki-list=${spki}`, '--disable-dev-shm-usage'],
  }
  const browser = await chromium.launch(settings)
  const profiles = mkdtempSync(join(tmpdir(), 'authd-browser-'))
  const open = async ({ thirdPartyCookies, ...options } = {}) => {
    let context
    if (thirdPartyCookies) {
      // Debian's Chromium gives frames of other sites no cookies, unless the profile says so.
      const profile = mkdtempSync(join(profiles, 'profile-'))
      mkdirSync(join(profile, 'Default'))
      const preferences = { profile: { block_third_party_cookies: false, cookie_controls_mode: 0 } }
      writeFileSync(join(profile, 'Default/Preferences'), JSON.stringify(preferences))
      context = await chromium.launchPersistentContext(profile, { ...settings, locale: 'en-GB', ...options })
    } else {
      context = await browser.newContext({ locale: 'en-GB', ...options })
    }
    context.setDefaultTimeout(PATIENCE)
    return new Person(context.pages()[0] ?? (await context.newPage()), app)
  }
  const close = async () => {
    await browser.close()
    rmSync(profiles, { recursive: true, force: true, maxRetries: 5 })
    app.server.closeAllConnections()
    await new Promise((resolve) => app.server.close(resolve))
  }
  return { open, close }
}

/** The address of an authorization request. */
export function authorization(origin, parameters) {
  const fields = { client_id: 'calendar-spa', redirect_uri: CALLBACK, state: 'state-0123456789', ...parameters }
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return `${origin}authorize?${new URLSearchParams(given)}`
}

/** For an API's access token in the fragment. */
export const implicit = (scope, more = {}) => ({ response_type: 'token', audience: 'api.calendar', scope, ...more })

/** Somebody at a browser of their own. */
export class Person {
  constructor(page, app) {
    this.page = page
    this.app = app
    this.shown = []
    this.complaints = []
    page.on('response', (response) => {
      const request = response.request()
      if (request.isNavigationRequest() && request.frame() === page.mainFrame()) {
        this.shown.push({ url: new URL(response.url()), status: response.status() })
      }
    })
    page.on('console', (message) => {
      // A browser asks for icons by itself, whenever it likes.
      if (/Content Security Policy|Refused to/.test(message.text()) && !message.text().includes('/favicon.ico')) {
        this.complaints.push(message.text())
      }
    })
    page.on('pageerror', (error) => this.complaints.push(String(error)))
  }

  async visit(address) {
    this.shown.length = 0
    await this.page.goto(address)
  }

  path() {
    return new URL(this.page.url()).pathname
  }

  /** The paths of the pages of ours that were shown, redirects left out. */
  pages(origin) {
    return this.shown.filter(({ url, status }) => origin.startsWith(url.origin) && status < 300).map(({ url }) => url.pathname)
  }

  async type(username, password) {
    assert.equal(this.path(), '/u/login')
    await this.page.getByLabel('Email address or username').fill(username)
    await this.page.getByLabel('Password').fill(password)
  }

  async login(username = USER, password = PASSWORD) {
    await this.type(username, password)
    await this.submit('default')
  }

  /** Presses a button and waits for the page that comes. */
  async submit(id) {
    await Promise.all([this.page.waitForNavigation(), this.page.click(`button[name=action]#${id}`)])
  }

  /** The lines of the consent dialog: what they say, and whether they are marked as new. */
  async asked() {
    assert.equal(this.path(), '/u/consent')
    const lines = await this.page.locator('main li').all()
    return Promise.all(
      lines.map(async (line) => ({
        text: await line.locator(':scope > :not(.new)').first().innerText(),
        isNew: await line.locator('.new').isVisible(),
      })),
    )
  }

  /** What arrived at the application. */
  async arrived(callback = CALLBACK) {
    await this.page.waitForURL((url) => url.href.startsWith(callback))
    const { search, hash } = new URL(this.page.url())
    return { query: Object.fromEntries(new URLSearchParams(search)), fragment: Object.fromEntries(new URLSearchParams(hash.slice(1))) }
  }

  async close() {
    const { complaints } = this
    await this.page.context().close()
    assert.deepEqual(complaints, [])
  }
}

/** Runs `story` for a new person, whose browser must have nothing to complain about. */
export async function person(browser, options, story) {
  const somebody = await browser.open(options)
  try {
    await story(somebody)
  } catch (error) {
    const text = await somebody.page.locator('body').innerText().catch(String)
    const where = `at ${somebody.page.url().slice(0, 200)}, which says: ${text.slice(0, 300)}`
    await somebody.page.context().close()
    throw new Error(where, { cause: error })
  }
  await somebody.close()
}

/** The claims of an RS256 token, its signature verified with the published keys. */
export async function claims(origin, token, keys) {
  const [header, payload, signature] = token.split('.')
  const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url'))
  assert.equal(alg, 'RS256')
  const key = createPublicKey({ key: keys.find((key) => key.kid === kid), format: 'jwk' })
  assert.ok(verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
  const found = JSON.parse(Buffer.from(payload, 'base64url'))
  assert.equal(found.iss, origin)
  return found
}

/** The published keys. */
export async function keys(origin) {
  const answer = await fetch(`${origin}.well-known/jwks.json`, { signal: AbortSignal.timeout(PATIENCE) })
  return (await answer.json()).keys
}

export const axeSource = () => readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** The question that the program was started with. */
export async function question() {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
  }
  return JSON.parse(text)
}
