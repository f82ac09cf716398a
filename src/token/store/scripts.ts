/** What Redis does in one step, in Lua. An entry and its lease share a hash tag, so that a cluster keeps them on one node. */

/** In place of a holder's id, for a moment: it asked and got nothing. */
export const GAVE_UP = 'gave-up';

/** Far above what the longest token comes to when sealed: what is longer was planted, and would cost each replica as much memory. */
const LONGEST_ENTRY = 512 * 1024;
/** Longer than an id. */
const LONGEST_LEASE = 64;

/**
 * `mark`: what stands under a name, as far as it matters whether it is still the same: '' for nothing, a digest of a text, 'other' for
 * what is no text or too long. Whoever writes says what it has seen; where something else stands by now, somebody was faster.
 */
const MARK = `
local entry = redis.pcall('GET', KEYS[1])
local mark = ''
if type(entry) == 'table' or (entry and #entry > ${LONGEST_ENTRY}) then mark = 'other' elseif entry then mark = redis.sha1hex(entry) end`;

/** KEYS entry. Gives its text, and nothing that is no entry. */
export const READ = `${MARK}
if mark == 'other' then return redis.error_reply('WRONGTYPE no entry') end
return entry`;

/**
 * KEYS entry, lease; ARGV mark, holder, milliseconds, outlived holder. Gives `changed`, `held`, or who has the lease. What nobody of us
 * can have written, and a holder that should have ended long ago, has no lease: they might stand there for ever.
 */
export const TAKE = `${MARK}
if mark ~= ARGV[1] then return 'changed' end
local lease = redis.pcall('GET', KEYS[2])
if type(lease) == 'string' and #lease <= ${LONGEST_LEASE} and lease ~= ARGV[4] then return lease end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 'held'`;

/** KEYS lease; ARGV holder, new content, milliseconds. Only a holder may keep its lease or say that it gave up. */
export const KEEP = `
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/**
 * KEYS entry, lease; ARGV mark, text, milliseconds, holder. The fence: a holder that comes late, paused or overtaken, changes nothing.
 * The lease goes last: a script that has written is not stopped by a full memory any more. Nobody waits for one that gave up, either.
 */
export const WRITE = `${MARK}
local written = 0
if mark == '' or mark == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  written = 1
end
local lease = redis.pcall('GET', KEYS[2])
if lease == ARGV[4] or lease == '${GAVE_UP}' then redis.call('DEL', KEYS[2]) end
return written`;

/** KEYS entry; ARGV mark. Removes what was seen, and nothing newer. */
export const REMOVE = `${MARK}
if mark ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
