// Datagrams by every call that can send one. Each says its canary; what is heard in answer is printed.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static struct sockaddr_storage to;
static socklen_t length;
static const char *canary;

static int fresh(int connected) {
  struct timeval patience = {0, 300000};
  int s = socket(to.ss_family, SOCK_DGRAM, 0);
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connected && connect(s, (struct sockaddr *)&to, length) != 0) perror("connect");
  return s;
}

static void hear(int s, const char *way, long sent) {
  char text[200];
  int n = recv(s, text, sizeof text - 1, 0);
  printf("%s: sent %ld, heard %d ", way, sent, n);
  if (n > 0) fwrite(text, 1, n, stdout);
  printf("\n");
  close(s);
}

static void *thread(void *unused) {
  int s = fresh(1);
  hear(s, "another thread", write(s, canary, strlen(canary)));
  return unused;
}

int main(int count, char **words) {
  struct sockaddr_in *four = (struct sockaddr_in *)&to;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&to;
  if (count < 3) return 2;
  canary = words[2];
  if (inet_pton(AF_INET, words[1], &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(5000);
    length = sizeof *four;
  } else {
    inet_pton(AF_INET6, words[1], &six->sin6_addr);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(5000);
    length = sizeof *six;
  }
  struct iovec part = {(void *)canary, strlen(canary)};
  struct mmsghdr many[2] = {{{&to, length, &part, 1, 0, 0, 0}, 0}, {{&to, length, &part, 1, 0, 0, 0}, 0}};
  int s = fresh(0);
  hear(s, "sendmmsg", sendmmsg(s, many, 2, 0));
  s = fresh(0);
  hear(s, "sendmsg", sendmsg(s, &many[0].msg_hdr, 0));
  s = fresh(1);
  hear(s, "writev", writev(s, &part, 1));
  s = fresh(1);
  int file = open("/tmp/send-ways", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (write(file, canary, strlen(canary)) > 0) hear(s, "sendfile", sendfile(s, file, &(off_t){0}, strlen(canary)));
  int ends[2];
  s = fresh(1);
  if (pipe(ends) == 0 && write(ends[1], canary, strlen(canary)) > 0) hear(s, "splice", splice(ends[0], NULL, s, NULL, strlen(canary), 0));
  pthread_t other;
  pthread_create(&other, NULL, thread, NULL);
  pthread_join(other, NULL);
  return 0;
}
