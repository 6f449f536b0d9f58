#include "e3_signature.h"

#include <string.h>

const char *ce3_signature_text(ce3_signature_result result) {
  switch (result) {
    case CE3_SIGNATURE_OK: return "the signature is right";
    case CE3_SIGNATURE_NOT_A_KEY: return "not a key of minisign's";
    case CE3_SIGNATURE_KEY_HAS_PASSWORD:
      return "the secret key has a password; sign with minisign itself, or make a key without (minisign -G -W)";
    case CE3_SIGNATURE_NOT_A_SIGNATURE: return "not a signature of minisign's";
    case CE3_SIGNATURE_OTHER_KEY: return "signed with another key";
    case CE3_SIGNATURE_WRONG: return "the signature is not that of the file";
    case CE3_SIGNATURE_MISSING: return "this build checks no signatures";
  }
  return "unknown";
}

#ifdef CE3_NO_SIGNATURES

ce3_signature_result ce3_read_public_key(const char *text, size_t count, ce3_public_key *key) {
  (void)text, (void)count, (void)key;
  return CE3_SIGNATURE_MISSING;
}

ce3_signature_result ce3_check_signature(const uint8_t *bytes, size_t count, const char *signature, size_t length,
                                         const ce3_public_key *key) {
  (void)bytes, (void)count, (void)signature, (void)length, (void)key;
  return CE3_SIGNATURE_MISSING;
}

#else

#include <sodium.h>

/* As minisign's files have them; all are arrays of bytes, so there is no padding. */
typedef struct {
  uint8_t algorithm[2], number[8], key[32];
} public_key;
typedef struct {
  uint8_t algorithm[2], kdf[2], checksum_algorithm[2], salt[32], operations[8], memory[8], number[8], key[64],
      checksum[32];
} secret_key;
typedef struct {
  uint8_t algorithm[2], number[8], signature[64];
} file_signature;
_Static_assert(sizeof(public_key) == 42 && sizeof(secret_key) == 158 && sizeof(file_signature) == 74,
               "minisign's layouts");

static const uint8_t ED[2] = {'E', 'd'}, ED_OF_HASH[2] = {'E', 'D'}, NO_KDF[2] = {0, 0}, BLAKE[2] = {'B', '2'};

typedef struct {
  const char *start;
  size_t count;
} line;

/* Takes the next line of a text, without what ends it. */
static line next_line(const char **text, size_t *count) {
  const char *end = *count ? memchr(*text, '\n', *count) : NULL;
  const size_t length = end ? (size_t)(end - *text) : *count, taken = end ? length + 1 : length;
  line found = {*text, length};
  *text += taken;
  *count -= taken;
  if (found.count && found.start[found.count - 1] == '\r') found.count--;
  return found;
}

static int starts_with(line text, const char *prefix) {
  return text.count >= strlen(prefix) && memcmp(text.start, prefix, strlen(prefix)) == 0;
}

/* Exactly `size` bytes in base 64. */
static int decode(line text, void *bytes, size_t size) {
  size_t got = 0;
  return sodium_base642bin(bytes, size, text.start, text.count, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
         got == size;
}

/* The second line of a key file, or the only one. */
static line key_line(const char *text, size_t count) {
  line first = next_line(&text, &count);
  return starts_with(first, "untrusted comment:") ? next_line(&text, &count) : first;
}

ce3_signature_result ce3_read_public_key(const char *text, size_t count, ce3_public_key *key) {
  public_key stored;
  if (!decode(key_line(text, count), &stored, sizeof stored) || memcmp(stored.algorithm, ED, 2) != 0)
    return CE3_SIGNATURE_NOT_A_KEY;
  memcpy(key->number, stored.number, sizeof key->number);
  memcpy(key->key, stored.key, sizeof key->key);
  return CE3_SIGNATURE_OK;
}

static void hash_file(const uint8_t *bytes, size_t count, uint8_t hash[64]) {
  crypto_generichash_blake2b_state state;
  crypto_generichash_blake2b_init(&state, NULL, 0, 64);
  crypto_generichash_blake2b_update(&state, bytes, count);
  crypto_generichash_blake2b_final(&state, hash, 64);
}

ce3_signature_result ce3_check_signature(const uint8_t *bytes, size_t count, const char *signature, size_t length,
                                         const ce3_public_key *key) {
  static const char trusted[] = "trusted comment: ";
  line untrusted = next_line(&signature, &length), first = next_line(&signature, &length),
       comment = next_line(&signature, &length), second = next_line(&signature, &length);
  file_signature stored;
  uint8_t of_both[64], signed_bytes[64 + CE3_SIGNATURE_MAX_COMMENT], hash[64];
  if (!starts_with(untrusted, "untrusted comment:") || !starts_with(comment, trusted) ||
      !decode(first, &stored, sizeof stored) || !decode(second, of_both, sizeof of_both) ||
      comment.count - strlen(trusted) > CE3_SIGNATURE_MAX_COMMENT)
    return CE3_SIGNATURE_NOT_A_SIGNATURE;
  const int is_of_hash = memcmp(stored.algorithm, ED_OF_HASH, 2) == 0;
  if (!is_of_hash && memcmp(stored.algorithm, ED, 2) != 0) return CE3_SIGNATURE_NOT_A_SIGNATURE;
  if (memcmp(stored.number, key->number, sizeof stored.number) != 0) return CE3_SIGNATURE_OTHER_KEY;
  if (is_of_hash) {
    hash_file(bytes, count, hash);
    bytes = hash;
    count = sizeof hash;
  }
  if (crypto_sign_ed25519_verify_detached(stored.signature, bytes, count, key->key) != 0) return CE3_SIGNATURE_WRONG;
  const size_t words = comment.count - strlen(trusted);
  memcpy(signed_bytes, stored.signature, 64);
  memcpy(signed_bytes + 64, comment.start + strlen(trusted), words);
  if (crypto_sign_ed25519_verify_detached(of_both, signed_bytes, 64 + words, key->key) != 0) return CE3_SIGNATURE_WRONG;
  return CE3_SIGNATURE_OK;
}

ce3_signature_result ce3_read_secret_key(const char *text, size_t count, ce3_secret_key *key) {
  secret_key stored;
  uint8_t checksum[32];
  if (!decode(key_line(text, count), &stored, sizeof stored) || memcmp(stored.algorithm, ED, 2) != 0 ||
      memcmp(stored.checksum_algorithm, BLAKE, 2) != 0)
    return CE3_SIGNATURE_NOT_A_KEY;
  if (memcmp(stored.kdf, NO_KDF, 2) != 0) return CE3_SIGNATURE_KEY_HAS_PASSWORD;
  crypto_generichash_blake2b_state state;
  crypto_generichash_blake2b_init(&state, NULL, 0, sizeof checksum);
  crypto_generichash_blake2b_update(&state, stored.algorithm, sizeof stored.algorithm);
  crypto_generichash_blake2b_update(&state, stored.number, sizeof stored.number);
  crypto_generichash_blake2b_update(&state, stored.key, sizeof stored.key);
  crypto_generichash_blake2b_final(&state, checksum, sizeof checksum);
  /* minisign leaves it zero in a key without a password. */
  if (memcmp(checksum, stored.checksum, sizeof checksum) != 0 && !sodium_is_zero(stored.checksum, sizeof checksum))
    return CE3_SIGNATURE_NOT_A_KEY;
  memcpy(key->number, stored.number, sizeof key->number);
  memcpy(key->key, stored.key, sizeof key->key);
  sodium_memzero(&stored, sizeof stored);
  return CE3_SIGNATURE_OK;
}

static char *append(char *to, const char *text) { return memcpy(to, text, strlen(text)), to + strlen(text); }

static char *append_encoded(char *to, const void *bytes, size_t count) {
  sodium_bin2base64(to, sodium_base64_ENCODED_LEN(count, sodium_base64_VARIANT_ORIGINAL), bytes, count,
                    sodium_base64_VARIANT_ORIGINAL);
  return append(to + strlen(to), "\n");
}

ce3_signature_result ce3_sign(const uint8_t *bytes, size_t count, const char *comment, const ce3_secret_key *key,
                              char text[CE3_SIGNATURE_MAX_TEXT]) {
  const size_t words = strlen(comment);
  if (words > CE3_SIGNATURE_MAX_COMMENT || strpbrk(comment, "\r\n")) return CE3_SIGNATURE_NOT_A_SIGNATURE;
  file_signature made;
  uint8_t of_both[64], signed_bytes[64 + CE3_SIGNATURE_MAX_COMMENT], hash[64];
  memcpy(made.algorithm, ED_OF_HASH, sizeof made.algorithm);
  memcpy(made.number, key->number, sizeof made.number);
  hash_file(bytes, count, hash);
  crypto_sign_ed25519_detached(made.signature, NULL, hash, sizeof hash, key->key);
  memcpy(signed_bytes, made.signature, 64);
  memcpy(signed_bytes + 64, comment, words);
  crypto_sign_ed25519_detached(of_both, NULL, signed_bytes, 64 + words, key->key);
  char *end = append(text, "untrusted comment: signature of an E3 model\n");
  end = append_encoded(end, &made, sizeof made);
  end = append(append(append(end, "trusted comment: "), comment), "\n");
  *append_encoded(end, of_both, sizeof of_both) = 0;
  return CE3_SIGNATURE_OK;
}

#endif
