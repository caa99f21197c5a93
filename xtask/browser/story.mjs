// The pages, from the first login to the last refusal, in a real browser: with scripts and without.
import assert from 'node:assert/strict'
import * as h from './harness.mjs'

const question = await h.question()
const { http, https } = question.origins
const scripts = question.javascript
const origin = scripts ? http : https
const options = { javaScriptEnabled: scripts }
const cases = new h.Cases(scripts ? 'with_scripts_' : 'without_scripts_')
const keys = await h.keys(origin)
const browser = await h.start(question)
const alone = (story) => h.person(browser, options, story)

/** A token at the application, and what it must say. */
async function token(somebody, scope) {
  const { fragment, query } = await somebody.arrived()
  assert.equal(fragment.error, undefined, fragment.error_description)
  assert.equal(query.access_token, undefined, 'no token in the query')
  assert.equal(fragment.token_type, 'Bearer')
  assert.equal(fragment.state, 'state-0123456789')
  assert.ok(Number(fragment.expires_in) > 0)
  const claims = await h.claims(origin, fragment.access_token, keys)
  assert.equal(claims.azp, 'calendar-spa')
  assert.equal(claims.exp - claims.iat, Number(fragment.expires_in))
  assert.ok([claims.aud].flat().includes('api.calendar'))
  assert.equal(claims.scope, scope)
  return claims
}

async function refused(somebody, error) {
  const { fragment } = await somebody.arrived()
  assert.equal(fragment.error, error)
  assert.equal(fragment.state, 'state-0123456789')
  assert.equal(fragment.access_token, undefined)
}

const implicitMessage = () => h.implicit('read', { prompt: 'none', response_mode: 'web_message' })

/** Logs in, and agrees if asked. */
async function loggedIn(somebody, at = origin) {
  await somebody.visit(h.authorization(at, h.implicit('read')))
  await somebody.login()
  if (somebody.path() === '/u/consent') {
    await somebody.submit('accept')
  }
  await somebody.arrived()
}

await cases.case('a_person_who_declines_is_asked_again_and_the_application_is_told', () =>
  alone(async (somebody) => {
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    await somebody.login()
    await somebody.submit('deny')
    await refused(somebody, 'access_denied')
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    assert.deepEqual(somebody.pages(origin), ['/u/consent'], 'asked again, without another login')
  }))

let subject
await cases.case('login_and_consent_lead_to_a_token_and_the_second_visit_shows_no_page', () =>
  alone(async (somebody) => {
    const { page } = somebody
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    assert.equal(await page.title(), 'Log in')
    await somebody.login()
    assert.deepEqual(await somebody.asked(), [{ text: 'read', isNew: false }], 'where all is new, nothing is marked')
    await somebody.submit('accept')
    subject = (await token(somebody, 'read')).sub
    if (scripts) {
      assert.match(await page.locator('#fragment').innerText(), /access_token=/)
    }
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    assert.equal((await token(somebody, 'read')).sub, subject)
    assert.deepEqual(somebody.pages(origin), [])
  }))

await cases.case('a_further_scope_is_asked_for_and_marked_as_new', () =>
  alone(async (somebody) => {
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    await somebody.login()
    await token(somebody, 'read')
    assert.deepEqual(somebody.pages(origin), ['/u/login'], 'what was agreed to is not asked again')
    await somebody.visit(h.authorization(origin, h.implicit('read write')))
    assert.deepEqual(await somebody.asked(), [
      { text: 'read', isNew: false },
      { text: 'write', isNew: true },
    ])
    await somebody.submit('accept')
    await token(somebody, 'read write')
    await somebody.visit(h.authorization(origin, h.implicit('read write')))
    await token(somebody, 'read write')
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    await token(somebody, 'read')
    assert.deepEqual(somebody.pages(origin), [])
  }))

await cases.case('a_page_that_is_not_the_callback_is_never_sent_anything', () =>
  alone(async (somebody) => {
    const elsewhere = h.authorization(origin, h.implicit('read', { redirect_uri: 'http://127.0.0.1:9999/elsewhere' }))
    await somebody.visit(elsewhere)
    assert.equal(await somebody.page.locator('#error-code').innerText(), 'invalid_request')
    assert.equal(somebody.shown.at(-1).status, 400)
    assert.equal(somebody.page.url(), elsewhere)
  }))

await cases.case('a_wrong_password_is_said_so_and_the_right_one_goes_on', () =>
  alone(async (somebody) => {
    const { page } = somebody
    await somebody.visit(h.authorization(origin, h.implicit('read')))
    await somebody.login(h.USER, 'wrong')
    assert.equal(somebody.path(), '/u/login')
    assert.equal(await page.getByRole('alert').innerText(), 'Wrong email or password')
    assert.equal(await page.getByLabel('Email address or username').inputValue(), h.USER)
    assert.equal(await page.getByLabel('Password').inputValue(), '')
    await somebody.login('nobody@example.com', 'wrong')
    assert.equal(await page.getByRole('alert').innerText(), 'Wrong email or password', 'nobody learns who exists')
    await somebody.login()
    await token(somebody, 'read')
  }))

if (!question.smoke) {
  await cases.case('prompt_none_answers_without_a_page', () =>
    alone(async (somebody) => {
      const silent = (scope, more) => h.authorization(origin, h.implicit(scope, { prompt: 'none', ...more }))
      await somebody.visit(silent('read'))
      await refused(somebody, 'login_required')
      await loggedIn(somebody)
      await somebody.visit(silent('read'))
      assert.equal((await token(somebody, 'read')).sub, subject)
      await somebody.visit(silent('read', { client_id: 'partner-planner' }))
      await refused(somebody, 'consent_required')
      assert.deepEqual(somebody.pages(origin), [])
    }))

  await cases.case('somebody_elses_application_asks_until_it_is_agreed_to', () =>
    alone(async (somebody) => {
      const ask = () => somebody.visit(h.authorization(origin, h.implicit('read', { client_id: 'partner-planner' })))
      await ask()
      await somebody.login()
      assert.match(await somebody.page.locator('h1').innerText(), /Partner Planner/)
      await somebody.submit('deny')
      await refused(somebody, 'access_denied')
      await ask()
      assert.equal(somebody.path(), '/u/consent')
      await ask()
      await somebody.submit('accept')
      const { fragment } = await somebody.arrived()
      assert.equal((await h.claims(origin, fragment.access_token, keys)).azp, 'partner-planner')
      await ask()
      await somebody.arrived()
      assert.deepEqual(somebody.pages(origin), [])
    }))

  await cases.case('prompt_login_asks_for_the_password_again_and_prompt_consent_for_consent', () =>
    alone(async (somebody) => {
      await loggedIn(somebody)
      await somebody.visit(h.authorization(origin, h.implicit('read', { prompt: 'login' })))
      await somebody.login()
      await token(somebody, 'read')
      await somebody.visit(h.authorization(origin, h.implicit('read', { prompt: 'consent' })))
      assert.equal(somebody.path(), '/u/consent')
      await somebody.submit('accept')
      await token(somebody, 'read')
    }))

  await cases.case('a_form_brings_the_answer_to_the_application', () =>
    alone(async (somebody) => {
      const { page } = somebody
      await loggedIn(somebody)
      const fields = { response_type: 'id_token', response_mode: 'form_post', nonce: 'nonce-1', scope: 'openid', redirect_uri: h.SECOND_CALLBACK }
      await somebody.visit(h.authorization(origin, fields))
      if (scripts) {
        // The page sends its form by itself.
        await page.waitForURL(h.SECOND_CALLBACK)
      } else {
        await page.getByRole('button', { name: 'Continue' }).click()
        await page.waitForURL(h.SECOND_CALLBACK)
      }
      const form = new URLSearchParams(await page.locator('#form').innerText())
      const { aud, sub, nonce } = await h.claims(origin, form.get('id_token') ?? `no token: ${form}`, keys)
      assert.deepEqual({ aud, sub, nonce }, { aud: 'calendar-spa', sub: subject, nonce: 'nonce-1' })
      assert.equal(form.get('state'), 'state-0123456789')
      assert.equal(page.url(), h.SECOND_CALLBACK, 'nothing in the address')
    }))

  await cases.case('a_form_that_was_answered_gives_no_second_answer', () =>
    alone(async (somebody) => {
      const { page } = somebody
      await somebody.visit(h.authorization(origin, h.implicit('read')))
      await somebody.login()
      await token(somebody, 'read')
      await page.goBack()
      await somebody.login()
      assert.equal(await page.locator('#error-code').innerText(), 'invalid_request')
    }))

  await cases.case('a_sign_in_that_another_browser_began_is_refused', async () => {
    let begun
    await alone(async (somebody) => {
      await somebody.visit(h.authorization(origin, h.implicit('read')))
      begun = somebody.page.url()
    })
    await alone(async (somebody) => {
      await somebody.visit(begun)
      assert.equal(await somebody.page.locator('#error-code').innerText(), 'access_denied')
      assert.equal(somebody.shown.at(-1).status, 403)
    })
  })

  await cases.case('the_keyboard_alone_is_enough', () =>
    alone(async (somebody) => {
      const { page } = somebody
      await somebody.visit(h.authorization(origin, h.implicit('read')))
      await page.locator('#username:focus').waitFor()
      await page.keyboard.type(h.USER)
      await page.keyboard.press('Tab')
      await page.locator('#password:focus').waitFor()
      await page.keyboard.type(h.PASSWORD)
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
      await token(somebody, 'read')
      await somebody.visit(h.authorization(origin, h.implicit('read', { prompt: 'consent' })))
      await page.keyboard.press('Tab')
      await page.locator('#accept:focus').waitFor()
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
      await token(somebody, 'read')
    }))

  await cases.case('after_ten_wrong_passwords_the_next_one_must_wait', () =>
    alone(async (somebody) => {
      const { page } = somebody
      // Nobody has this name: an account that does not exist is locked like one that does.
      const name = `locked-${scripts}@example.com`
      await somebody.visit(h.authorization(origin, h.implicit('read')))
      for (let attempt = 1; attempt <= 10; attempt += 1) {
        await somebody.login(name, `wrong ${attempt}`)
        assert.equal(await page.getByRole('alert').innerText(), 'Wrong email or password')
      }
      await somebody.login(name, 'wrong 11')
      assert.match(await page.getByRole('alert').innerText(), /^Too many attempts/)
      assert.equal(somebody.shown.at(-1).status, 429)
    }))
}

if (scripts && !question.smoke) {
  for (const [scheme, at] of [['http', http], ['https', https]]) {
    await cases.case(`a_hidden_frame_is_sent_the_answer_as_a_message_over_${scheme}`, () =>
      h.person(browser, { thirdPartyCookies: true }, async (somebody) => {
        const silent = h.authorization(at, implicitMessage())
        await somebody.visit('http://localhost:3000/')
        assert.equal((await message(somebody, silent)).response.error, 'login_required')
        await loggedIn(somebody, at)
        await somebody.visit('http://localhost:3000/')
        const { origin: from, type, response } = await message(somebody, silent)
        assert.equal(`${from}/`, at)
        assert.equal(type, 'authorization_response')
        assert.equal(response.error, undefined)
        assert.equal(response.state, 'state-0123456789')
        const claims = await h.claims(at, response.access_token, await h.keys(at))
        assert.equal(claims.sub, subject)
      }))
  }
}

if (scripts && !question.smoke) {
  await cases.case('where_frames_of_other_sites_have_no_cookies_the_message_says_login_required', () =>
    alone(async (somebody) => {
      await loggedIn(somebody, https)
      await somebody.visit('http://localhost:3000/')
      const silent = implicitMessage()
      assert.equal((await message(somebody, h.authorization(https, silent))).response.error, 'login_required')
    }))
}

/** The message that a hidden frame with this address sends to the page around it. */
function message(somebody, address) {
  return somebody.page.evaluate(
    (address) =>
      new Promise((resolve, reject) => {
        const frame = document.createElement('iframe')
        frame.hidden = true
        const late = setTimeout(() => reject(new Error('no message came')), 10_000)
        addEventListener('message', (event) => {
          clearTimeout(late)
          frame.remove()
          resolve({ origin: event.origin, ...event.data })
        }, { once: true })
        frame.src = address
        document.body.append(frame)
      }),
    address,
  )
}

await browser.close()
cases.say({ done: cases.count })
