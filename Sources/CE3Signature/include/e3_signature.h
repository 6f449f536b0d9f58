/*
 * e3_signature.h - detached Ed25519 signatures of files, as minisign writes and checks them (https://jedisct1.github.io/minisign/).
 *
 * A signature FILE.minisig is text: an untrusted comment, the signature of the file's BLAKE2b hash, a trusted comment, and the
 * signature of the first signature with that comment. Keys and signatures carry a number by which one is told from another.
 * Nothing here allocates or keeps a state; Ed25519 and BLAKE2b are libsodium's.
 */
#ifndef E3_SIGNATURE_H
#define E3_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ce3_signature_result {
  CE3_SIGNATURE_OK = 0,
  CE3_SIGNATURE_NOT_A_KEY,        /* the text is no key of minisign's */
  CE3_SIGNATURE_KEY_HAS_PASSWORD, /* a secret key that is encrypted */
  CE3_SIGNATURE_NOT_A_SIGNATURE,  /* the text is no signature of minisign's */
  CE3_SIGNATURE_OTHER_KEY,        /* made with a key of another number */
  CE3_SIGNATURE_WRONG,            /* of other bytes, or damaged: the file must not be trusted */
  CE3_SIGNATURE_MISSING           /* this build has no libsodium */
} ce3_signature_result;

typedef struct ce3_public_key {
  uint8_t number[8];
  uint8_t key[32];
} ce3_public_key;

typedef struct ce3_secret_key {
  uint8_t number[8];
  uint8_t key[64];
} ce3_secret_key;

/* The key of a key file (.pub): its second line, or its only one. */
ce3_signature_result ce3_read_public_key(const char *text, size_t count, ce3_public_key *key);

/* The key of a secret key file without a password (minisign -G -W). */
ce3_signature_result ce3_read_secret_key(const char *text, size_t count, ce3_secret_key *key);

/* Whether `signature` is that of `bytes` by `key`. Cost: one pass over the bytes. */
ce3_signature_result ce3_check_signature(const uint8_t *bytes, size_t count, const char *signature, size_t length,
                                         const ce3_public_key *key);

enum { CE3_SIGNATURE_MAX_COMMENT = 1024, CE3_SIGNATURE_MAX_TEXT = 2048 };

/* Writes the signature of `bytes` to `text`, terminated, with a trusted comment (one line). The same bytes and comment give the
 * same text. */
ce3_signature_result ce3_sign(const uint8_t *bytes, size_t count, const char *comment, const ce3_secret_key *key,
                              char text[CE3_SIGNATURE_MAX_TEXT]);

/* One line of English. */
const char *ce3_signature_text(ce3_signature_result result);

#ifdef __cplusplus
}
#endif

#endif
