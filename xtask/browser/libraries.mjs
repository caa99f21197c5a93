// Auth0's browser libraries, unchanged, in an application on another origin than the server's.
import assert from 'node:assert/strict'
import * as h from './harness.mjs'

const question = await h.question()
const { http, https } = question.origins
const cases = new h.Cases('')
const browser = await h.start(question)
const SCOPE = 'openid profile email read'
const ORIGIN = new URL(h.CALLBACK).origin

async function login(somebody) {
  await somebody.page.waitForURL(/\/u\/login/)
  await somebody.login()
  if (somebody.path() === '/u/consent') {
    await somebody.submit('accept')
  }
  await somebody.page.waitForURL((url) => url.href.startsWith(h.CALLBACK))
}

async function spa(origin, name, { useRefreshTokens } = {}) {
  // As Auth0's customers write it: no scheme for https.
  const domain = origin.startsWith('https:') ? new URL(origin).host : origin.replace(/\/$/, '')
  const settings = {
    domain,
    clientId: 'calendar-spa',
    useRefreshTokens,
    authorizationParams: { redirect_uri: h.CALLBACK, audience: 'api.calendar', scope: SCOPE },
  }
  await cases.case(`spa_js_${name}`, () =>
    // Refresh tokens are for browsers whose frames of other sites have no cookies.
    h.person(browser, { thirdPartyCookies: !useRefreshTokens }, async (somebody) => {
      const { page } = somebody
      const load = async () => {
        await page.addScriptTag({ url: '/spa.js' })
        await page.evaluate(async (settings) => {
          globalThis.client = await globalThis.auth0.createAuth0Client(settings)
        }, settings)
      }
      await somebody.visit(`${ORIGIN}/`)
      await load()
      await page.evaluate(() => void globalThis.client.loginWithRedirect({ appState: { from: 'here' } }))
      await login(somebody)
      await load()
      const back = await page.evaluate(() => globalThis.client.handleRedirectCallback())
      assert.equal(back.appState.from, 'here')
      assert.equal((await page.evaluate(() => globalThis.client.getUser())).email, h.USER)
      const keys = await h.keys(origin)
      const held = await page.evaluate(() => globalThis.client.getTokenSilently())
      const renewed = await page.evaluate(() => globalThis.client.getTokenSilently({ cacheMode: 'off' }))
      assert.notEqual(held, renewed, 'a new token, not the one that was kept')
      const [one, other] = [await h.claims(origin, held, keys), await h.claims(origin, renewed, keys)]
      assert.equal(one.sub, other.sub)
      assert.equal(one.azp, 'calendar-spa')
    }))
}

async function auth0Js(responseType, name) {
  const settings = {
    domain: new URL(https).host,
    clientID: 'calendar-spa',
    redirectUri: h.CALLBACK,
    audience: 'api.calendar',
    scope: SCOPE,
    responseType,
  }
  await cases.case(`auth0_js_${name}`, () =>
    h.person(browser, { thirdPartyCookies: true }, async (somebody) => {
      const { page } = somebody
      const load = async () => {
        await page.addScriptTag({ url: '/auth0.js' })
        await page.evaluate((settings) => {
          globalThis.client = new globalThis.auth0.WebAuth(settings)
        }, settings)
      }
      const call = (method, argument) =>
        page.evaluate(
          ([method, argument]) =>
            new Promise((resolve, reject) =>
              globalThis.client[method](argument, (error, result) =>
                error ? reject(new Error(JSON.stringify(error))) : resolve(result))),
          [method, argument],
        )
      await somebody.visit(`${ORIGIN}/`)
      await load()
      await page.evaluate(() => globalThis.client.authorize())
      await login(somebody)
      await load()
      const parsed = await call('parseHash', {})
      const renewed = await call('checkSession', {})
      const keys = await h.keys(https)
      const [one, other] = [await h.claims(https, parsed.accessToken, keys), await h.claims(https, renewed.accessToken, keys)]
      assert.equal(one.sub, other.sub)
      assert.ok(one.scope.includes('read'))
      if (responseType.includes('id_token')) {
        assert.equal(parsed.idTokenPayload.sub, one.sub)
        assert.equal(renewed.idTokenPayload.sub, one.sub)
      }
    }))
}

await auth0Js('token', 'parses_the_fragment_and_checks_the_session_for_a_token')
await auth0Js('token id_token', 'parses_the_fragment_and_checks_the_session_for_both_tokens')
await spa(https, 'logs_in_and_renews_over_https')
await spa(http, 'logs_in_and_renews_over_http')
await spa(https, 'renews_with_a_refresh_token', { useRefreshTokens: true })

await browser.close()
cases.say({ done: cases.count })
