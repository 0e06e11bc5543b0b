// A static program that asks a name server of its own choice over UDP and TCP, then dials what it was told, and in any
// case a literal address, saying its canary each time. It prints what it heard.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int address(const char *text, int port, struct sockaddr_storage *to) {
  struct sockaddr_in *four = (struct sockaddr_in *)to;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
  memset(to, 0, sizeof *to);
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return sizeof *four;
  }
  inet_pton(AF_INET6, text, &six->sin6_addr);
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  return sizeof *six;
}

static int query(unsigned char *into, const char *canary, const char *name, int type) {
  static const unsigned char head[12] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  char full[300];
  int at = 12;
  memcpy(into, head, 12);
  snprintf(full, sizeof full, "%s.%s", canary, name);
  for (char *label = strtok(full, "."); label != NULL; label = strtok(NULL, ".")) {
    into[at++] = strlen(label);
    memcpy(into + at, label, strlen(label));
    at += strlen(label);
  }
  into[at++] = 0;
  into[at++] = 0;
  into[at++] = type;
  into[at++] = 0;
  into[at++] = 1;
  return at;
}

static void hello(struct sockaddr_storage *to, int length, const char *canary) {
  char text[400];
  int s = socket(to->ss_family, SOCK_STREAM, 0);
  struct timeval patience = {2, 0};
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(s, (struct sockaddr *)to, length) == 0) {
    int n = snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", canary);
    if (write(s, text, n) == n)
      while ((n = read(s, text, sizeof text)) > 0) fwrite(text, 1, n, stdout);
  } else
    perror("connect");
  close(s);
}

int main(int count, char **words) {
  unsigned char bytes[600];
  struct sockaddr_storage to;
  struct timeval patience = {1, 0};
  if (count < 4) return 2;
  int six = strchr(words[1], ':') != NULL;
  int length = address(words[1], 53, &to);
  int s = socket(to.ss_family, SOCK_DGRAM, 0);
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  int n = query(bytes, words[3], words[2], six ? 28 : 1);
  sendto(s, bytes, n, 0, (struct sockaddr *)&to, length);
  n = recv(s, bytes, sizeof bytes, 0);
  printf("answer of %d bytes\n", n);
  if (n > 28) {
    char text[64];
    inet_ntop(six ? AF_INET6 : AF_INET, bytes + n - (six ? 16 : 4), text, sizeof text);
    printf("dialling %s\n", text);
    length = address(text, 80, &to);
    hello(&to, length, words[3]);
  }
  length = address(six ? "2606:2800:220:1::66" : "93.184.216.66", 80, &to);
  hello(&to, length, words[3]);
  return 0;
}
